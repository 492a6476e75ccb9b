// Package mutants plants faults in the Apple driver, one at a time, and sees its
// tests on the fake Metal catch each (make mutate-darwin). A fault is a change of
// the driver's text; the files themselves stay as they are.
package mutants
