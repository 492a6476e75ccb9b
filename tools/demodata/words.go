package main

import (
	"math/rand/v2"
	"strings"
)

// The word lists. Every word is seen in the corpus; orders.go keeps some of the
// names, cities and items out of the demo's training rows.
var (
	names = strings.Fields(`Maria Anna Paul Peter Lucas Emma Noah Olga Ivan Nina Hugo Clara Felix Laura Simon Julia Oscar Alice
		Bruno Carla David Elena Frank Greta Henry Irene Jonas Karin Leon Marta Nora Otto Petra Rosa Stefan Tina Ulrich Vera
		Walter Yara Zoe Adam Bella Carlos Diana Erik Fiona George Hannah Igor Jane Kevin Linda Martin Natalie Omar Paula Ralph
		Sara Thomas Ursula Victor Wendy Xavier Yusuf Amina Boris Celia Dora Emil Flora Gustav Helen Ian Jasper Kira Lars Mona
		Nils Olivia Pablo Quentin Rita Samuel Teresa Uma Vincent Willa Ayla Bernard Cora Dennis Edith Fatima Gloria Harry Ingrid
		Jacob Klara Liam Miriam Nathan Odette Philip Rachel Sophie Tobias Valeria William Yvonne Arthur Beatrice Conrad Daphne
		Edgar Frida Gerard Hilda Isaac Judith Kasper Leila Magnus Nadia`)
	cities = strings.Fields(`Lisbon Paris Rome Madrid Berlin Vienna Prague Warsaw Budapest Athens Dublin Oslo Stockholm Helsinki
		Copenhagen Brussels Bern Tokyo Beijing Delhi Cairo Nairobi Lima Santiago Ottawa Canberra Bangkok Hanoi Manila Jakarta
		Ankara Tehran Baghdad Riga Tallinn Vilnius Sofia Zagreb Kyiv Havana Bogota Quito Accra Dakar Rabat Tunis Doha Seoul
		Hamburg Munich Milan Naples Turin Venice Porto Seville Valencia Lyon Nice Bordeaux Geneva Zurich Basel Krakow Boston
		Chicago Denver Dallas Seattle Toronto Montreal Sydney Perth Mumbai Osaka Kyoto Leeds Bristol Glasgow Cork Bergen Malmo`)
	animals = strings.Fields(`cat dog cow horse sheep goat pig duck fox wolf bear lion tiger mouse rabbit owl crow frog snake
		whale eagle donkey camel monkey`)
	jobs = strings.Fields(`baker teacher doctor farmer driver painter nurse cook pilot singer lawyer writer plumber dentist
		gardener tailor sailor judge clerk waiter`)
	places  = strings.Fields(`forest garden river village mountain beach market castle school island valley lake`)
	objects = strings.Fields(`key ball book hat lamp ring map bell shell coin box letter`)
	months  = strings.Fields(`January February March April May June July August September October November December`)
	signs   = strings.Fields(`{ } [ ] ( ) < > " : , ; = + - * / ! ? . # @ % &`)
)

// item is something to order and the units in which it comes.
type item struct {
	name  string
	units []string
}

// items are the goods.
var items = goods(
	"kg bags boxes", `apples pears plums grapes cherries lemons oranges carrots onions potatoes tomatoes peppers
		beans peas rice flour sugar salt oats lentils nuts almonds`,
	"bottles litres crates", `milk water juice oil vinegar wine beer lemonade syrup cider`,
	"jars cans boxes", `honey jam olives pickles soup tuna mustard sauce`,
	"boxes packs bags", `tea coffee cocoa cookies candles soap nails screws pens pencils paper batteries napkins matches`,
	"loaves trays boxes", `bread cake muffins buns pies rolls`,
	"rolls metres pieces", `cloth rope wire ribbon tape carpet`,
	"bunches pots crates", `roses tulips lilies daisies herbs parsley basil mint`)

// goods reads units and the items that come in them, in turn.
func goods(lists ...string) []item {
	var out []item
	for i := 0; i < len(lists); i += 2 {
		for _, name := range strings.Fields(lists[i+1]) {
			out = append(out, item{name, strings.Fields(lists[i])})
		}
	}
	return out
}

// country is a row of the table of facts.
type country struct{ name, capital, continent string }

var countries = facts(`Europe: Portugal Lisbon France Paris Italy Rome Spain Madrid Germany Berlin Austria Vienna Poland Warsaw
		Hungary Budapest Greece Athens Ireland Dublin Norway Oslo Sweden Stockholm Finland Helsinki Denmark Copenhagen
		Belgium Brussels Switzerland Bern Latvia Riga Estonia Tallinn Lithuania Vilnius Bulgaria Sofia Croatia Zagreb Ukraine Kyiv
	Asia: Japan Tokyo China Beijing India Delhi Thailand Bangkok Vietnam Hanoi Philippines Manila Indonesia Jakarta
		Turkey Ankara Iran Tehran Iraq Baghdad Qatar Doha Korea Seoul
	Africa: Egypt Cairo Kenya Nairobi Ghana Accra Senegal Dakar Morocco Rabat Tunisia Tunis
	America: Peru Lima Chile Santiago Canada Ottawa Cuba Havana Colombia Bogota Ecuador Quito
	Oceania: Australia Canberra`)

func facts(text string) []country {
	var out []country
	continent := ""
	words := strings.Fields(text)
	for i := 0; i < len(words); {
		if name, ok := strings.CutSuffix(words[i], ":"); ok {
			continent = name
			i++
			continue
		}
		out = append(out, country{words[i], words[i+1], continent})
		i += 2
	}
	return out
}

// pairs reads "a b" pairs.
func pairs(text string) [][2]string {
	words := strings.Fields(text)
	var out [][2]string
	for i := 0; i+1 < len(words); i += 2 {
		out = append(out, [2]string{words[i], words[i+1]})
	}
	return out
}

var (
	opposites = pairs(`hot cold big small fast slow high low open closed wet dry light dark hard soft young old happy sad
		full empty early late long short strong weak rich poor clean dirty near far left right up down day night
		first last loud quiet thick thin sweet sour true false win lose buy sell begin end push pull laugh cry`)
	plurals = pairs(`cat cats dog dogs cow cows horse horses sheep sheep goat goats pig pigs duck ducks fox foxes wolf wolves
		bear bears mouse mice child children man men woman women foot feet tooth teeth goose geese leaf leaves knife knives
		box boxes bus buses city cities baby babies key keys book books hat hats lamp lamps ring rings map maps bell bells
		shell shells coin coins letter letters house houses tree trees car cars day days glass glasses`)
	sounds = pairs(`cat meows dog barks cow moos horse neighs sheep bleats pig oinks duck quacks lion roars wolf howls
		mouse squeaks owl hoots crow caws frog croaks snake hisses donkey brays`)
	colours = pairs(`snow white grass green sapphires blue blood red coal black lemons yellow oranges orange milk white
		honey golden chocolate brown roses red tomatoes red carrots orange`)
)

// pick is a random element.
func pick[T any](r *rand.Rand, list []T) T { return list[r.IntN(len(list))] }

// sample is n different elements in random order.
func sample[T any](r *rand.Rand, list []T, n int) []T {
	out := make([]T, n)
	for i, j := range r.Perm(len(list))[:n] {
		out[i] = list[j]
	}
	return out
}

// say fills a random one of the forms: {0}, {1}, … are the arguments.
func say(r *rand.Rand, forms []string, args ...string) string { return fill(pick(r, forms), args...) }

// fill puts the arguments into a form.
func fill(form string, args ...string) string {
	for i, a := range args {
		form = strings.ReplaceAll(form, "{"+string(rune('0'+i))+"}", a)
	}
	return form
}

// capital makes the first letter of an English sentence a capital one.
func capital(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
