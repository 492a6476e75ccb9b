"""Golden values for models/chat, computed by jinja2 set up as transformers sets it up.

    python3 -m venv venv && venv/bin/pip install jinja2==3.1.6
    venv/bin/python tools/golden/chat.py models/chat/testdata

Renders every templates/NAME.jinja with every conversation below, every line of
expressions.txt as {{ line }}, and every part of snippets.txt (parts end with a line
of four = signs), and writes golden.json.gz: texts, the bytes of {% generation %}
blocks, whether Python raised, and the message if the template raised it itself.

    venv/bin/python tools/golden/chat.py models/chat/testdata OUT.json.gz OTHER_TEMPLATES

writes the same for a folder of other templates.
"""
import datetime
import gzip
import json
import pathlib
import sys
import unicodedata

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.sandbox

NOW = datetime.datetime(2026, 3, 5, 7, 8, 9, 123456)


class AssistantTracker(jinja2.ext.Extension):
    """transformers' {% generation %}."""

    tags = {"generation"}

    def __init__(self, environment):
        super().__init__(environment)
        environment.extend(rendered=[], spans=[])

    def parse(self, parser):
        lineno = next(parser.stream).lineno
        body = parser.parse_statements(["name:endgeneration"], drop_needle=True)
        return jinja2.nodes.CallBlock(self.call_method("_generation"), [], [], body).set_lineno(lineno)

    def _generation(self, caller):
        text = caller()
        start = len("".join(self.environment.rendered))
        self.environment.spans.append((start, start + len(text)))
        return text


def raise_exception(message):
    raise jinja2.exceptions.TemplateError(message)


def tojson(x, ensure_ascii=False, indent=None, separators=None, sort_keys=False):
    return json.dumps(x, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def environment():
    env = jinja2.sandbox.ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[AssistantTracker, jinja2.ext.loopcontrols])
    env.filters["tojson"] = tojson
    env.globals["raise_exception"] = raise_exception
    env.globals["strftime_now"] = lambda format: NOW.strftime(format)
    return env


def render(source, variables):
    """What Python gives: {"text", "spans"?} or {"error": True, "message"?}.

    Printing a function or a generator gives an address, which counts as an error."""
    env = environment()
    try:
        template = env.from_string(source)
        for block in template.generate(**variables):
            env.rendered.append(block)
        text = "".join(env.rendered)
        out = {"text": text}
        text.encode()
        if " at 0x" in text or "<class '" in text or "<built-in" in text:
            return {"error": True}
    except jinja2.exceptions.TemplateError as e:
        return {"error": True, "message": str(e.message)} if type(e) is jinja2.exceptions.TemplateError else {"error": True}
    except Exception:
        return {"error": True}
    if env.spans:
        out["spans"] = [[len(text[:i].encode()) for i in span] for span in env.spans if span[1] > span[0]]
    return out


TOOLS = [
    {"type": "function", "function": {
        "name": "get_weather", "description": "Weather of a <city> & \"more\"",
        "parameters": {"type": "object", "properties": {
            "city": {"type": "string", "description": "The city, e.g. Zürich"},
            "unit": {"type": "string", "enum": ["celsius", "fahrenheit"], "default": "celsius"},
            "days": {"type": "array", "items": {"type": "integer"}}}, "required": ["city"]},
        "return": {"type": "number"}}},
    {"type": "function", "function": {
        "name": "noop", "description": "Nothing",
        "parameters": {"type": "object", "properties": {}, "required": []}}},
]

SYSTEM = {"role": "system", "content": "  Be brief.\n"}
USER = {"role": "user", "content": "Hi there!"}
HELLO = {"role": "assistant", "content": "Hello, how can I help?"}
CALL = {"role": "assistant", "content": None, "tool_calls": [
    {"id": "abcdef123", "type": "function", "function": {"name": "get_weather", "arguments": {
        "city": "Zürich 😀 \"Stadt\"", "days": [1, 2], "precise": True, "limit": None, "x": 1.0, "y": 1e-7, "big": 12345678901234567890}}}]}
RESULT = {"role": "tool", "tool_call_id": "abcdef123", "name": "get_weather", "content": "{\"temp\": 21.5}"}
THINK = {"role": "assistant", "content": "<think>\nThe user says hi.\n</think>\n\nHello <b>you</b>."}

CONVERSATIONS = {
    "one": ([USER], None),
    "turn": ([USER, HELLO], None),
    "system": ([SYSTEM, USER, HELLO], None),
    "multi": ([SYSTEM, USER, HELLO, {"role": "user", "content": "Tell me\nmore. "}, {"role": "assistant", "content": " 1. one\n2. two \n"}], None),
    "long": ([USER, HELLO] * 6 + [USER], None),
    "unicode": ([{"role": "user", "content": "Größe 你好 🙂 \u0301 \u00a0x\u2028"}, {"role": "assistant", "content": "Straße\tÉtat\x00'\"\\"}], None),
    "tools": ([USER, HELLO, USER], TOOLS),
    "system_tools": ([SYSTEM, USER], TOOLS),
    "call": ([USER, CALL], TOOLS),
    "call_result": ([SYSTEM, USER, CALL, RESULT, {"role": "assistant", "content": "It is 21.5 °C."}], TOOLS),
    "two_results": ([USER, dict(CALL, tool_calls=CALL["tool_calls"] * 2), RESULT, RESULT, HELLO, USER, HELLO], TOOLS),
    "call_text": ([USER, dict(CALL, content="Let me look.", reasoning_content="I need the weather."), RESULT], TOOLS),
    "call_string": ([USER, {"role": "assistant", "content": "", "tool_calls": [{"function": {"name": "f", "arguments": "{\"a\": 1}"}}]}], TOOLS[:1]),
    "reasoning": ([USER, THINK, USER, THINK], None),
    "reasoning_field": ([USER, {"role": "assistant", "content": "Yes.", "reasoning_content": "Hm."}, USER,
                         {"role": "assistant", "content": "No.", "reasoning_content": "\nWell.\n", "thinking": "Well."}], None),
    "parts": ([{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " What is it? "}]},
               {"role": "assistant", "content": [{"type": "text", "text": "A cat."}]}], None),
    "none": ([USER, {"role": "assistant", "content": None}], None),
    "no_content": ([USER, {"role": "assistant"}], None),
    "bad_order": ([USER, USER], None),
    "assistant_first": ([HELLO, USER], None),
    "only_system": ([SYSTEM], None),
    "odd_role": ([{"role": "critic", "content": "no"}, USER], None),
    "tool_first": ([RESULT, USER], None),
    "empty": ([{"role": "user", "content": ""}, {"role": "assistant", "content": ""}], None),
}

VARS = {"bos_token": "<s>", "eos_token": "</s>"}

# What expressions and snippets see.
CONTEXT = {
    "messages": CONVERSATIONS["call_result"][0], "tools": TOOLS, "add_generation_prompt": True, "documents": None,
    "n": 7, "f": 2.5, "s": "Hello World", "u": "Größe 你好 😀", "yes": True, "no": False, "nothing": None, "empty": "", "e": [],
    "l": [3, 1, 2], "words": ["pear", "Apple", "fig", "apple"], "m": {"b": 1, "a": [1, 2.0, None], "C": {"x": "y"}, "items": 5},
    "people": [{"name": "Ada", "age": 36, "tags": ["x"]}, {"name": "bob", "age": 5, "tags": []}, {"name": "Cy", "age": 36}],
    "lines": "  one\n\n two\r\nthree\t \n", "html": "<a href='x'>\"&\"</a>",
}


def variables(messages, tools, prompt):
    return dict(VARS, messages=messages, tools=tools, documents=None, add_generation_prompt=prompt)


def templates(folder):
    out = {}
    for path in sorted(folder.glob("*.jinja")):
        cases = {}
        for name, (messages, tools) in CONVERSATIONS.items():
            for prompt in (False, True):
                cases[name + (" prompt" if prompt else "")] = render(path.read_text(), variables(messages, tools, prompt))
        out[path.stem] = cases
    return out


def case_mappings():
    """Characters whose case mapping Python and Go could see differently."""
    out = {}
    for code in range(0x80, 0x110000):
        c = chr(code)
        if unicodedata.category(c) in ("Cs", "Cn"):
            continue
        if c.upper() != c or c.lower() != c:
            out[c] = [c.upper(), c.lower(), c.title()]
    return out


def main():
    base = pathlib.Path(sys.argv[1])
    if len(sys.argv) > 2:
        out, golden = sys.argv[2], {"templates": templates(pathlib.Path(sys.argv[3]))}
    else:
        out = base / "golden.json.gz"
        expressions = [line for line in (base / "expressions.txt").read_text().split("\n") if line and not line.startswith("##")]
        snippets = (base / "snippets.txt").read_text().split("\n====\n")
        golden = {
            "templates": templates(base / "templates"),
            "expressions": [dict(render("{{ " + line + " }}", CONTEXT), source=line) for line in expressions],
            "snippets": [dict(render(part, CONTEXT), source=part) for part in snippets],
            "cases": case_mappings(),
        }
    golden.update(vars=VARS, context=CONTEXT, conversations={k: {"messages": m, "tools": t} for k, (m, t) in CONVERSATIONS.items()})
    raw = json.dumps(golden, ensure_ascii=False, separators=(",", ":")).encode()
    with open(out, "wb") as f, gzip.GzipFile(fileobj=f, mode="wb", mtime=0, filename="") as z:
        z.write(raw)
    count = lambda cases: "%d raise, %d do not" % (sum("error" in c for c in cases), sum("error" not in c for c in cases))
    print("templates:", count([c for cases in golden["templates"].values() for c in cases.values()]))
    for kind in ("expressions", "snippets"):
        if kind in golden:
            print(kind + ":", count(golden[kind]))


main()
