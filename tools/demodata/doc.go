// Command demodata makes what the demo trains on, and scores it:
//
//	go run ./tools/demodata corpus -out DIR       conversations to pre-train a small model on
//	go run ./tools/demodata tokenizer -out FILE   a tokenizer trained on that corpus
//	go run ./tools/demodata orders -out DIR       orders to JSON: the task of the demo
//	go run ./tools/demodata score -model DIR      exact matches on held-out rows
//
// All text comes from the word lists and grammars of this package and a seed,
// so that every file can be made again, byte for byte. The corpus has many small
// tasks (corpus.go lists them), some of which copy names, cities and amounts out
// of a sentence, and never a line of JSON. The demo's task is to turn an order
// into JSON (orders.go); its test rows have customers, cities and items that no
// training row of the demo has.
package main
