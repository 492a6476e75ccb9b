// Package chat renders Hugging Face chat templates.
//
// A chat template is a Jinja program in tokenizer_config.json or
// chat_template.jinja that turns messages, tools and a few variables into the
// prompt of one model. This package is an interpreter for the part of Jinja that
// such programs use, with the settings of the transformers library: an immutable
// sandbox, trim_blocks, lstrip_blocks, loop controls, tojson without HTML escapes,
// raise_exception, strftime_now and {% generation %} blocks. Values behave as
// Python's do, down to the order of dicts and the text of floats; the golden
// files in testdata hold what Python's jinja2 answers.
//
// A template comes from whoever published the model, so it is data, not code: it
// reaches nothing but its inputs, and budgets of steps, memory and depth end a
// render that would not end by itself. Whatever the interpreter does not know is
// an error that names the template and the line, never an empty text.
//
// AssistantSpans says which bytes of the text an assistant wrote, for training on
// these alone.
package chat
