package main

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"strconv"
)

// order is what the demo's task is about.
type order struct{ customer, city, item, amount string }

func newOrder(r *rand.Rand, names, cities []string, items []item) order {
	it := pick(r, items)
	return order{pick(r, names), pick(r, cities), it.name, strconv.Itoa(2+r.IntN(98)) + " " + pick(r, it.units)}
}

// orderForms are the ways to order: {0} customer, {1} city, {2} item, {3} amount.
var orderForms = []string{
	"{0} from {1} wants {3} of {2}.", "Please send {3} of {2} to {0} in {1}.", "{3} of {2} for {0} in {1}, please.",
	"Order: {3} of {2}. Customer: {0}. City: {1}.", "To {1}: {3} of {2} for {0}.", "Hello, {0} here. We need {3} of {2} in {1}.",
	"In {1}, {0} has ordered {3} of {2}.", "Can you bring {3} of {2} to {1}? {0} will pay."}

// sentence is the order in English.
func (o order) sentence(r *rand.Rand) string {
	return say(r, orderForms, o.customer, o.city, o.item, o.amount)
}

// JSON is the answer that the demo teaches.
func (o order) JSON() string {
	quoted := func(s string) string {
		b, err := json.Marshal(s)
		if err != nil {
			panic(err) // a string always has a JSON form
		}
		return string(b)
	}
	return fmt.Sprintf(`{"customer": %s, "city": %s, "item": %s, "amount": %s}`, quoted(o.customer), quoted(o.city), quoted(o.item), quoted(o.amount))
}

// heldOut splits a list: every fourth element is for validation and test only.
func heldOut[T any](list []T) (train, test []T) {
	for i, v := range list {
		if i%4 == 3 {
			test = append(test, v)
		} else {
			train = append(train, v)
		}
	}
	return train, test
}

// orderSplits makes the demo's rows. Validation and test rows share no customer,
// city or item with the training rows, and no row occurs twice.
func orderSplits(seed uint64, train, valid, test int) map[string][]row {
	r := rand.New(rand.NewPCG(seed, streamOrders))
	trainNames, testNames := heldOut(names)
	trainCities, testCities := heldOut(cities)
	trainItems, testItems := heldOut(items)
	seen := map[string]bool{}
	draw := func(n int, names, cities []string, items []item) []row {
		var out []row
		for len(out) < n {
			o := newOrder(r, names, cities, items)
			question := o.sentence(r)
			if !seen[question] {
				seen[question] = true
				out = append(out, row{[]message{{"user", question}, {"assistant", o.JSON()}}})
			}
		}
		return out
	}
	return map[string][]row{"train": draw(train, trainNames, trainCities, trainItems),
		"valid": draw(valid, testNames, testCities, testItems), "test": draw(test, testNames, testCities, testItems)}
}
