#include "good.h" // want `the file does not open with a comment` // want `the first include is "kernel.h", not`
