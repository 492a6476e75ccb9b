package main

import (
	"fmt"
	"math/rand/v2"
	"strconv"
)

func askCountry(r *rand.Rand) exchange {
	c := pick(r, countries)
	switch r.IntN(4) {
	case 0:
		return exchange{"Which country has the capital " + c.capital + "?", c.name, c.capital + " is the capital of " + c.name + "."}
	case 1:
		return exchange{"Which continent is " + c.name + " in?", c.continent, c.name + " is in " + c.continent + "."}
	}
	return exchange{say(r, []string{"What is the capital of {0}?", "Name the capital of {0}."}, c.name), c.capital,
		"The capital of " + c.name + " is " + c.capital + "."}
}

// askWord asks for opposites, plurals, sounds and colours.
func askWord(r *rand.Rand) exchange {
	switch r.IntN(4) {
	case 0:
		p := pick(r, opposites)
		if r.IntN(2) == 0 {
			p[0], p[1] = p[1], p[0]
		}
		return exchange{"What is the opposite of " + p[0] + "?", p[1], "The opposite of " + p[0] + " is " + p[1] + "."}
	case 1:
		p := pick(r, plurals)
		return exchange{say(r, []string{"What is the plural of {0}?", "One {0}, two …"}, p[0]), p[1], "The plural of " + p[0] + " is " + p[1] + "."}
	case 2:
		p := pick(r, sounds)
		return exchange{"What does a " + p[0] + " do?", p[1], "A " + p[0] + " " + p[1] + "."}
	}
	p := pick(r, colours)
	return exchange{"What is the colour of " + p[0] + "?", p[1], "The colour of " + p[0] + " is " + p[1] + "."}
}

// askSum has small sums, differences and products.
func askSum(r *rand.Rand) exchange {
	a, b := r.IntN(21), r.IntN(21)
	sign, result := "+", a+b
	switch r.IntN(3) {
	case 0:
		a, b = max(a, b), min(a, b)
		sign, result = "-", a-b
	case 1:
		a, b = r.IntN(11), r.IntN(11)
		sign, result = "*", a*b
	}
	sum := fmt.Sprintf("%d %s %d", a, sign, b)
	n := strconv.Itoa(result)
	return exchange{say(r, []string{"What is {0}?", "{0} =", "Work out {0}."}, sum), n, sum + " = " + n}
}

func compareNumbers(r *rand.Rand) exchange {
	a, b := r.IntN(100), r.IntN(100)
	for a == b {
		b = r.IntN(100)
	}
	x, y := strconv.Itoa(a), strconv.Itoa(b)
	if r.IntN(2) == 0 {
		larger := strconv.Itoa(max(a, b))
		return exchange{say(r, []string{"Which is larger, {0} or {1}?"}, x, y), larger, larger + " is larger."}
	}
	answer, relation := "yes", "larger"
	if a < b {
		answer, relation = "no", "smaller"
	}
	return exchange{"Is " + x + " larger than " + y + "?", answer, x + " is " + relation + " than " + y + "."}
}

// rewriteDate turns words into figures and back, and names round.
func rewriteDate(r *rand.Rand) exchange {
	day, month, year := 1+r.IntN(28), r.IntN(12), 1980+r.IntN(60)
	words, figures := fmt.Sprintf("%d %s %d", day, months[month], year), fmt.Sprintf("%d-%02d-%02d", year, month+1, day)
	switch r.IntN(3) {
	case 0:
		return exchange{question: "Write in figures: " + words, short: figures}
	case 1:
		return exchange{question: "Write in words: " + figures, short: words}
	}
	first, last := pick(r, names), pick(r, names)
	return exchange{question: "Last name first: " + first + " " + last, short: last + ", " + first}
}

func tellStory(r *rand.Rand) exchange {
	name, animal, place, object, city := pick(r, names), pick(r, animals), pick(r, places), pick(r, objects), pick(r, cities)
	opening := []string{"{0} lived near a {2} in {4}.", "One day {0} went to the {2} near {4}.", "Long ago, {0} came from {4} to a {2}."}
	meeting := []string{"There {0} met a {1} with a {3}.", "A {1} was there and had lost a {3}.", "Under a tree sat a {1} and held a {3}."}
	middle := []string{"The {1} was hungry, so {0} gave it bread.", "They looked for the {3} until night.", "{0} was not afraid of the {1}.",
		"The {1} asked {0} for help."}
	ending := []string{"From that day on they were friends.", "{0} took the {3} home to {4}.", "The {1} was happy, and so was {0}.", "The {3} is still in the {2}."}
	args := []string{name, animal, place, object, city}
	story := fmt.Sprint(say(r, opening, args...), " ", say(r, meeting, args...), " ", say(r, middle, args...), " ", say(r, ending, args...))
	return exchange{question: fill("Tell a story about {0} and a {1}.", args...), short: story}
}

func smallTalk(r *rand.Rand) exchange {
	name := pick(r, names)
	talk := []exchange{
		{question: "Hello", short: "Hello. What can I do for you?"},
		{question: "Hello, I am " + name + ".", short: "Hello " + name + ". What can I do for you?"},
		{question: "Who are you?", short: "I am a small model that was trained by ftmetal."},
		{question: "Thank you.", short: "You are welcome."},
		{question: "What is my name? I am " + name + ".", short: name},
		{question: "Goodbye", short: "Goodbye."},
	}
	return pick(r, talk)
}
