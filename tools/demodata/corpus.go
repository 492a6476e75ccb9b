package main

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
)

// message and row are a conversation as train/data reads it.
type message struct {
	Role    string `json:"role"`
	Content string `json:"content"`
}

type row struct {
	Messages []message `json:"messages"`
}

// exchange is one question with a short answer and, for some, a sentence.
type exchange struct{ question, short, long string }

// fullSentence is the system message that asks for the long answer.
const fullSentence = "Answer in a full sentence."

// task makes exchanges of one kind; its weight is its share of the corpus.
type task struct {
	name   string
	weight int
	make   func(r *rand.Rand) exchange
}

var tasks = []task{
	{"orders", 26, askOrder}, {"people", 12, askPerson}, {"repeat", 10, repeatWords}, {"quotes", 7, quoteWords}, {"signs", 3, askSign},
	{"lists", 10, askList}, {"facts", 7, askCountry}, {"words", 6, askWord}, {"sums", 8, askSum}, {"compare", 4, compareNumbers},
	{"dates", 4, rewriteDate}, {"stories", 5, tellStory}, {"talk", 1, smallTalk},
}

// corpus is an endless stream of conversations.
type corpus struct {
	r     *rand.Rand
	draws []int // index of a task, as often as its weight says
}

// newCorpus starts the stream of a seed; different streams share no state.
func newCorpus(seed, stream uint64) *corpus {
	c := &corpus{r: rand.New(rand.NewPCG(seed, stream))}
	for i, t := range tasks {
		for range t.weight {
			c.draws = append(c.draws, i)
		}
	}
	return c
}

// next makes one conversation. One in four of those with a long answer asks for it.
func (c *corpus) next() row {
	e := tasks[pick(c.r, c.draws)].make(c.r)
	if e.long != "" && c.r.IntN(4) == 0 {
		return row{[]message{{"system", fullSentence}, {"user", e.question}, {"assistant", e.long}}}
	}
	return row{[]message{{"user", e.question}, {"assistant", e.short}}}
}

// askOrder asks for a part of an order, for the kind of a part, or, when the
// order stands alone, confirms it.
func askOrder(r *rand.Rand) exchange {
	o := newOrder(r, names, cities, items)
	text := o.sentence(r)
	parts := [][3]string{
		{"Who is the customer?", o.customer, "The customer is {0}."}, {"Which city is it for?", o.city, "The city is {0}."},
		{"What is the item?", o.item, "The item is {0}."}, {"What is the amount?", o.amount, "The amount is {0}."}}
	kinds := []string{"customer", "city", "item", "amount"}
	i := r.IntN(len(parts))
	switch p := parts[i]; r.IntN(5) {
	case 0:
		return exchange{question: text, short: say(r, confirmations, o.customer, o.city, o.item, o.amount)}
	case 1:
		return exchange{question: text + " What is " + p[1] + "?", short: kinds[i], long: capital(p[1]) + " is the " + kinds[i] + "."}
	case 2:
		order := sample(r, parts, 2+r.IntN(3))
		question, answers := text, []string{}
		for _, q := range order {
			question += " " + q[0]
			answers = append(answers, q[1])
		}
		return exchange{question: question, short: strings.Join(answers, ", ")}
	default:
		return exchange{text + " " + p[0], p[1], fill(p[2], p[1])}
	}
}

var confirmations = []string{"Thank you. {0} in {1} will get {3} of {2}.", "Noted: {3} of {2} for {0} in {1}.", "We will send {3} of {2} to {0} in {1}."}

// askPerson asks for a part of a description.
func askPerson(r *rand.Rand) exchange {
	name, city, job, age := pick(r, names), pick(r, cities), pick(r, jobs), strconv.Itoa(18+r.IntN(70))
	text := say(r, []string{
		"{0} is a {2} from {1} and is {3} years old.", "{0}, aged {3}, works as a {2} in {1}.", "In {1} lives a {2} of {3} years. The name is {0}.",
		"Meet {0}: {3} years old, a {2}, born in {1}."}, name, city, job, age)
	switch r.IntN(5) {
	case 0:
		return exchange{text + " What is the name?", name, "The name is " + name + "."}
	case 1:
		return exchange{text + " How old is " + name + "?", age, name + " is " + age + " years old."}
	case 2:
		return exchange{text + " What is the job?", job, name + " is a " + job + "."}
	case 3:
		return exchange{text + " Which city is it?", city, "The city is " + city + "."}
	}
	return exchange{question: text + " Who, where, what?", short: name + ", " + city + ", " + job}
}

// words are random words of all lists.
func words(r *rand.Rand, n int) []string {
	out := make([]string, n)
	list := pick(r, [][]string{names, cities, animals, jobs, places, objects, nil})
	for i := range out {
		if list == nil {
			out[i] = pick(r, items).name
		} else {
			out[i] = pick(r, list)
		}
	}
	return out
}

func repeatWords(r *rand.Rand) exchange {
	text := strings.Join(words(r, 1+r.IntN(5)), pick(r, []string{" ", ", "}))
	switch r.IntN(4) {
	case 0:
		o := newOrder(r, names, cities, items)
		text = pick(r, []string{o.amount, o.customer + ", " + o.amount, o.city + " " + o.item, o.amount + " of " + o.item})
	case 1:
		return exchange{question: "Repeat twice: " + text, short: text + " " + text}
	}
	return exchange{question: say(r, []string{"Repeat: {0}", "Say this again: {0}", "Copy the words: {0}"}, text), short: text}
}

func quoteWords(r *rand.Rand) exchange {
	list := words(r, 1+r.IntN(4))
	if r.IntN(3) == 0 {
		o := newOrder(r, names, cities, items)
		list = sample(r, []string{o.amount, o.item, o.customer, o.city}, 1+r.IntN(4))
	}
	return exchange{question: "Put quotes around: " + strings.Join(list, ", "), short: `"` + strings.Join(list, `", "`) + `"`}
}

var signNames = map[string]string{"{": "opening brace", "}": "closing brace", "[": "opening bracket", "]": "closing bracket", `"`: "quote",
	":": "colon", ",": "comma", ";": "semicolon", "=": "equals sign", "+": "plus sign", "!": "exclamation mark", "?": "question mark", ".": "full stop"}

// askSign asks for a sign or its name, or repeats some.
func askSign(r *rand.Rand) exchange {
	s := pick(r, signs)
	name, ok := signNames[s]
	switch {
	case ok && r.IntN(3) == 0:
		return exchange{"Write the sign: " + name, s, "The sign is " + s}
	case ok && r.IntN(2) == 0:
		return exchange{"What is the sign " + s, name, "The sign " + s + " is called " + name + "."}
	}
	list := make([]string, 1+r.IntN(5))
	for i := range list {
		list[i] = pick(r, signs)
		if r.IntN(2) == 0 {
			list[i] += pick(r, signs)
		}
	}
	text := strings.Join(list, " ")
	return exchange{question: "Repeat: " + text, short: text}
}

// askList works on a list of words or numbers.
func askList(r *rand.Rand) exchange {
	list := words(r, 3+r.IntN(3))
	if r.IntN(4) == 0 {
		numbers := sample(r, hundred, 3+r.IntN(2))
		asText := func() string { return strings.Trim(strings.ReplaceAll(fmt.Sprint(numbers), " ", ", "), "[]") }
		question := "Put in order: " + asText()
		slices.Sort(numbers)
		return exchange{question: question, short: asText()}
	}
	text := strings.Join(list, ", ")
	switch r.IntN(5) {
	case 0:
		return exchange{text + ". Which is first?", list[0], "The first is " + list[0] + "."}
	case 1:
		return exchange{text + ". Which is last?", list[len(list)-1], "The last is " + list[len(list)-1] + "."}
	case 2:
		return exchange{text + ". Which is second?", list[1], "The second is " + list[1] + "."}
	case 3:
		n := strconv.Itoa(len(list))
		return exchange{text + ". How many?", n, "There are " + n + "."}
	}
	slices.Reverse(list)
	return exchange{question: "Turn round: " + text, short: strings.Join(list, ", ")}
}

// hundred is the numbers 0 to 99.
var hundred = func() []int {
	out := make([]int, 100)
	for i := range out {
		out[i] = i
	}
	return out
}()
