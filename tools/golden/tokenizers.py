"""Golden values for models/tokenizer, computed by the Rust library.

    python3 -m venv venv && venv/bin/pip install tokenizers==0.23.2
    venv/bin/python tools/golden/tokenizers.py models/tokenizer/testdata/golden [FUZZ]

Trains one small tokenizer per kind on the text below and writes KIND.json.gz:
{"tokenizer": tokenizer.json, "cases": [...], "decodes": [...]}. A case holds the ids
and byte offsets of one of the texts in texts.json, without and with special tokens,
and what the ids decode to. FUZZ adds that many random texts; the committed files
have 150. train.json.gz holds the trainer's corpus and its result; trained.json.gz is the
golden file of trained.json, which Train wrote: the library loads it.

    venv/bin/python tools/golden/tokenizers.py --classes

prints the character classes of the library that unicode_delta.go is made from.
"""
import gzip
import json
import pathlib
import random
import struct
import sys

# This file has the library's name; its folder must not come first.
sys.path = [p for p in sys.path if pathlib.Path(p or ".").resolve() != pathlib.Path(__file__).resolve().parent]
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers  # noqa: E402

LLAMA3 = r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
QWEN2 = LLAMA3.replace("{1,3}", "")
GPT2 = r"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"
DEEPSEEK = r"[!\"#$%&'()*+,\-./:;<=>?@\[\\\]^_`{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
PHI4 = r"[^\r\n\p{L}\p{N}]?+\p{L}+|\p{N}{1,3}| ?[^\s\p{L}\p{N}]++[\r\n]*|\s*[\r\n]|\s+(?!\S)|\s+"

CORPUS = [
    "The quick brown fox jumps over the lazy dog, and then it doesn't stop: it'll run, we've seen it, they're sure I'm right.",
    "She said that the weather in the north would be colder than the weather in the south, which was true for the whole winter.",
    "def forward(self, x):\n    for layer in self.layers:\n        x = layer(x)\n    return x\n\n\nclass Model:\n    pass\n",
    "for (int i = 0; i < 100; i++) { printf(\"%d\\n\", i); }  // prints numbers\n\treturn 0;\n",
    "In 1984, 12345 people paid 3.14159 dollars; 2023-10-05 was a Thursday, and 1,000,000 more came at 09:30.",
    "Größe, Übermut und Straße: schöne Wörter für einen schönen Tag in München und Köln.",
    "L'été dernier, nous avons mangé à la crêperie; c'était délicieux, n'est-ce pas? Où êtes-vous allés?",
    "El niño comió una manzana en la mañana y después durmió la siesta en el jardín.",
    "Быстрая коричневая лиса перепрыгнула через ленивую собаку, а потом ещё раз.",
    "我喜欢学习语言模型。今天天气很好，我们去公园吧。模型的训练需要很多数据。",
    "私は毎日日本語を勉強しています。東京の天気はとてもいいです。カタカナとひらがな。",
    "나는 한국어를 공부하고 있습니다. 오늘 날씨가 참 좋네요. 언어 모델 훈련.",
    "أنا أحب تعلم اللغات. الطقس جميل اليوم. تدريب نموذج اللغة.",
    "मुझे भाषाएँ सीखना पसंद है। आज मौसम बहुत अच्छा है।",
    "😀 😃 👍🏽 👩‍👩‍👧‍👦 ❤️ 🎉 emoji are fun 🎉🎉🎉 and ❤️❤️❤️ are common",
    "# Title\n\n* item one\n* item two\n\n> quote\n\n```go\nfunc main() {}\n```\n",
    "{\"name\": \"value\", \"list\": [1, 2, 3], \"nested\": {\"true\": false, \"null\": null}}",
    "the of and to in is that it was for on are as with his they at be this from have or by one had not but what all were when",
    "user: hello, how are you today? assistant: I am fine, thank you. What can I do for you? user: tell me a story, please.",
    "    indented\n        more\n\t\ttabs\n\r\nwindows\r\nlines\r\n",
]


def words():
    return CORPUS * 3


TEXTS = [
    "", " ", "  ", "   ", "\n", "\n\n", "\t", "\r\n", " \n", "\n ", "  \n  ", "a", " a", "a ", "  a", "a  ", "a  b", "a   b",
    "Hello world", "Hello, world!", " Hello world ", "hello  world   again", "HELLO WORLD", "The lazy dog doesn't stop.",
    "I'll we've they're I'm he'd it's", "I'LL WE'VE THEY'RE I'M HE'D IT'S", "'s", "''s", "'S 'ſ it'ſx 'ſa'Sa", "don''t", "'", "''''", "x'll'd",
    "0", "12", "123", "1234", "12345", "1234567890", "1 2 3", "3.14159", "1,000,000", "a1b22c333d4444", "２０２３年", "٣٤٥٦٧", "Ⅷ½²³", "1٠2",
    "x=1;y=2;", "a+b=c", "!!!", "...", "?!?!", "a...b", " !", " ! ", "(a)[b]{c}", "\"quoted\"", "#include <stdio.h>\n", "a_b_c", "snake_case camelCase",
    "\n\n\n", "\n\n\n\nx", "a\n\nb", "a \n b", "a\r\nb\r\n", "a\t\tb", " \t \n \t ", "x\n  y\n    z", "trailing   \n", "!\n", "!\n\n\nx", "! \n",
    "def f(x):\n    return x\n\n\nclass A:\n\tpass\n", "for (int i = 0; i < 10; i++) {\n}\n",
    "é", "e\u0301", "e\u0301e\u0301 cafe\u0301", "a\u0323\u0307", "a\u0307\u0323", "\u1e0b\u0323", "ﬁ ﬂ ﬀ", "①②③", "Å Å Å", "\u212b", "\u0344", "\u0958", "각 각", "\u1100\u1161\u11a8", "\uac00\u11a8", "가나다", "\u0301", "\u0301a", " \u0301",
    "İstanbul IĞDIR ıi", "ΑΣ ΣΑΣ ς", "ß ẞ", "Ǆ ǅ ǆ", "ﷺ", "㌀", "ｶﾞ", "Ｈｅｌｌｏ　Ｗｏｒｌｄ",
    "你好，世界！", "我喜欢学习。", "東京の天気", "カタカナ ひらがな", "한국어 공부", "مرحبا بالعالم", "שלום", "नमस्ते दुनिया", "สวัสดี", "Привет, мир", "ʻokina", "naïve café résumé",
    "😀", "😀😃", "👍🏽", "👩‍👩‍👧‍👦", "👩‍👩‍👧‍👦 family", "❤️", "🇩🇪🇫🇷", "🏴󠁧󠁢󠁥󠁮󠁧󠁿", "1️⃣", "a😀b", "😀 a", "𝓗𝓮𝓵𝓵𝓸", "𠀀𠀁", "\U0010ffff",
    "\u00a0", "a\u00a0b", "a\u3000b", "\u2003x", "x\u200by", "\u200d", "\ufeffx", "a\u2028b", "a\u0085b", "\u1680x", "a\u00adb", "\x00", "a\x00b", "\x01\x02\x1f", "\x7f", "\ufffd", "a\ufffdb", "\ue000",
    "▁", "▁▁", "▁a", "a▁b", " ▁ ", "Ġ", "Ġa ĊĊ", "<0x0A>", "<0x41>a", "##ing", "</w>", "[UNK]", "<unk>",
    "<s>", "</s>", "<s>hello</s>", "a<s> b", "<|eot|>", "a<|eot|>b", " <|eot|> ", "<|eot|><|eot|>", "<|eot", "<|bos|>x<|eot|>\n\n", "<tool>x</tool>", "a <tool> b", "<mask>", "a <mask> b", "a  <mask>  b", "<mask><mask>", "a<mask>b", "lone", "alone lone lone. lone", "lonelone", "Long", "long LONG", "loLong", "[CLS] a [SEP]", "[MASK]", "\n\n\n\n\n", "TRAIL  x", "TRAIL TRAIL", "TRAIL <mask>", "<mask> TRAIL  ",
    "a" * 100, " " * 33, "\n" * 17, "!" * 40, "1" * 25, "ab" * 60, "日" * 30, "😀" * 12, "é" * 40, "e\u0301" * 20, "a" + "\u0301" * 40, "▁" * 9, "the " * 30, "supercalifragilisticexpialidocious" * 3,
    "word " * 12 + "\n" + "  " * 20 + "end", "mixed 中文 and English 한국어 и русский 123 😀!", "don't\u2019s \u2018quote\u2019 \u201cdouble\u201d \u2014 dash \u2026",
    # Characters that the Unicode versions in play class differently.
    "a\u166db\U000111c9c", "a\u061db\u09fdc\u2e43d", "a\u1734b\u07fdc\u0d3bd", "a\u1cf2b\u1cf7c", "a\u0890b\u08e2c", "\U00010d50\ua7cb\ua7da\U00016ea0",
    "\u32ff\ua7f2\U0001e030", "\U00011938 \U00011935\U00011930", "7\U00010d41\U00011de1\U00016ff5 8", "x\U0002ebf0\u1c89y", "\u0897\U00016d40\U0001e5d0", "ŋŧđ", "\u9fef\U0002b740\U0002b920\U00030000",
    "https://example.com/path?q=1&r=2#frag", "user@example.com", "C:\\Users\\x", "a/b\\c|d", "$100.00 €50 £30 ¥20", "50% off!!!", "(╯°□°)╯︵ ┻━┻", "\\n\\t", "∑∫√≤≥≠", "x²+y²=z²", "A\u030a", "क्षि", "\u0e01\u0e33", "ཧཱུྃ", "ǅungla", "fi\u0300le", "9\u0660", "a.b,c;d:e!f?g", "don't do not can't", "x . y , z ! w ?", "  leading", "\n\n  \n x",
]


def fuzz_texts(n, seed=7):
    rng = random.Random(seed)
    bits = list(" \n\t\r'.,!?-_<>▁Ġ") + ["  ", "\n\n", "\u0301", "\u0323", "\u0307", "é", "ü", "中", "日本", "한", "\u1100", "\u1161", "\u11a8", "😀", "\u200d", "\ufe0f", "ﬁ", "①", "Ａ", "\u3000", "\u00a0", "\u2028", "\u0085", "ß", "İ", "ſ", "'s", "'LL", "1", "23", "٣", "the", "Hello", "world", "ing", "TION", "def", "<s>", "</s>", "<|eot|>", "<|bos|>", "<mask>", "<tool>", "lone", "Long", "TRAIL", "##", "[SEP]", "<0x0A>", "\x00", "\x1f", "\ufffd", "𝓗", "क्", "ก็", "ا", "и"]
    out = []
    for _ in range(n):
        if rng.random() < 0.3:
            s = "".join(chr(rng.choice([rng.randrange(32, 127), rng.randrange(0x80, 0x500), rng.randrange(0x900, 0xd7ff), rng.randrange(0xe000, 0xffff), rng.randrange(0x10000, 0x1ffff)])) for _ in range(rng.randrange(1, 12)))
        else:
            s = "".join(rng.choice(bits) for _ in range(rng.randrange(1, 14)))
        out.append(s)
    return out


def special(*contents, **kw):
    return [AddedToken(c, special=True, normalized=False, **kw) for c in contents]


def common_added(t):
    """Added tokens of every sort; kinds call this after their own."""
    t.add_special_tokens([AddedToken("<mask>", special=True, lstrip=True, normalized=False)])
    t.add_tokens([
        AddedToken("<tool>", normalized=False), AddedToken("lone", single_word=True, normalized=True),
        AddedToken("Long", normalized=True), AddedToken("TRAIL", rstrip=True, normalized=False),
    ])


def byte_level(pre, size, normalizer=None, prefix=False, ignore=False, trim=True, bos=None):
    t = Tokenizer(models.BPE(ignore_merges=ignore))
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.decoder = decoders.ByteLevel()
    names = ["<|bos|>", "<|eot|>"]
    t.train_from_iterator(words(), trainers.BpeTrainer(vocab_size=size, special_tokens=names, initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    level = processors.ByteLevel(trim_offsets=trim, add_prefix_space=prefix)
    if bos:
        template = processors.TemplateProcessing(single="<|bos|>:0 $A:0", pair="<|bos|>:0 $A:0 <|bos|>:1 $B:1", special_tokens=[("<|bos|>", t.token_to_id("<|bos|>"))])
        t.post_processor = processors.Sequence([level, template])
    else:
        t.post_processor = level
    common_added(t)
    return t


def isolated(pattern, **kw):
    return pre_tokenizers.Split(Regex(pattern), behavior="isolated", **kw)


def raw_bytes():
    return pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)


def llama3():
    return byte_level(pre_tokenizers.Sequence([isolated(LLAMA3), raw_bytes()]), 520, ignore=True, trim=False, bos=True)


def qwen2():
    return byte_level(pre_tokenizers.Sequence([isolated(QWEN2), raw_bytes()]), 500, normalizer=normalizers.NFC(), trim=False)


def gpt2():
    return byte_level(pre_tokenizers.ByteLevel(add_prefix_space=False), 500)


def roberta():
    t = byte_level(pre_tokenizers.ByteLevel(add_prefix_space=True), 480, prefix=True)
    t.post_processor = processors.RobertaProcessing(("<|eot|>", t.token_to_id("<|eot|>")), ("<|bos|>", t.token_to_id("<|bos|>")), trim_offsets=True, add_prefix_space=True)
    return t


def deepseek():
    pre = [isolated(r"\p{N}{1,3}"), isolated("[一-龥぀-ゟ゠-ヿ]+"), isolated(DEEPSEEK), raw_bytes()]
    return byte_level(pre_tokenizers.Sequence(pre), 480, trim=False)


def phi4():
    return byte_level(pre_tokenizers.Sequence([pre_tokenizers.Split(Regex(PHI4), behavior="removed", invert=True), raw_bytes()]), 450, normalizer=normalizers.NFKD(), trim=True)


def falcon():
    pre = [pre_tokenizers.Punctuation("contiguous"), pre_tokenizers.ByteLevel(add_prefix_space=False), pre_tokenizers.Digits(individual_digits=False), isolated("[0-9][0-9][0-9]")]
    return byte_level(pre_tokenizers.Sequence(pre), 450)


def starcoder():
    return byte_level(pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]), 450)


def sentencepiece_bpe(size, byte_fallback=True):
    """A SentencePiece-style vocabulary: <unk> <s> </s>, 256 byte tokens, pieces."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Metaspace()
    t.train_from_iterator(CORPUS[:9] * 3, trainers.BpeTrainer(vocab_size=size, show_progress=False))
    model = json.loads(t.to_str())["model"]
    names = ["<unk>", "<s>", "</s>"] + ["<0x%02X>" % b for b in range(256)]
    vocab = {n: i for i, n in enumerate(names)}
    for piece in sorted(model["vocab"], key=model["vocab"].get):
        vocab.setdefault(piece, len(vocab))
    merges = [tuple(m) for m in model["merges"]]
    return Tokenizer(models.BPE(vocab=vocab, merges=merges, unk_token="<unk>", fuse_unk=True, byte_fallback=byte_fallback))


def sp_template(t, eos=False):
    ids = [(n, t.token_to_id(n)) for n in ("<s>", "</s>")]
    t.post_processor = processors.TemplateProcessing(single="<s> $A" + (" </s>" if eos else ""), special_tokens=ids)


def llama2():
    t = sentencepiece_bpe(300)
    t.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens(special("<unk>", "<s>", "</s>"))
    sp_template(t)
    common_added(t)
    return t


def mistral():
    t = sentencepiece_bpe(280)
    t.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first", split=False)
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)])
    t.add_special_tokens(special("<unk>", "<s>", "</s>"))
    sp_template(t, eos=True)
    common_added(t)
    return t


def gemma():
    t = sentencepiece_bpe(260)
    t.normalizer = normalizers.Replace(" ", "▁")
    t.pre_tokenizer = pre_tokenizers.Split(" ", behavior="merged_with_previous")
    t.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    t.add_special_tokens(special("<unk>", "<s>", "</s>"))
    t.add_tokens([AddedToken("\n" * n, normalized=False) for n in (2, 3, 5)] + [AddedToken("▁" * n, normalized=False) for n in (2, 4)])
    sp_template(t)
    common_added(t)
    return t


def legacy():
    """A normalizer before a scheme that looks at the place in the source."""
    t = sentencepiece_bpe(240, byte_fallback=False)
    t.normalizer = normalizers.Sequence([normalizers.Strip(left=False, right=True), normalizers.Replace(Regex(" {2,}"), "▁"), normalizers.StripAccents(), normalizers.Prepend("▁")])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split("▁", behavior="isolated"), pre_tokenizers.Metaspace(prepend_scheme="first", split=True)])
    t.decoder = decoders.Metaspace(prepend_scheme="first")
    t.add_special_tokens(special("<unk>", "<s>", "</s>"))
    sp_template(t, eos=True)
    common_added(t)
    return t


def double_array(rules):
    """SentencePiece's precompiled_charsmap for {key: replacement}: a darts-clone
    double array (every unit: offset << 10 | has_leaf << 8 | label) and the strings."""
    blob, at = b"", {}
    for key, value in sorted(rules.items()):
        at[key.encode()] = len(blob)
        blob += value.encode() + b"\0"
    tree = {}
    for key, value in at.items():
        node = tree
        for byte in key:
            node = node.setdefault(byte, {})
        node[0] = value
    units, used = [0] * 1024, {0}

    def place(node, index):
        labels = sorted(node)
        base = next(b for b in range(1, 1 << 16) if all((index ^ b ^ label) not in used and (index ^ b ^ label) < len(units) for label in labels))
        units[index] |= base << 10 | (1 << 8 if 0 in node else 0)
        for label in labels:
            used.add(index ^ base ^ label)
        for label in labels:
            child = index ^ base ^ label
            if label == 0:
                units[child] = node[0] | 1 << 31
            else:
                units[child] = label
                place(node[label], child)

    place(tree, 0)
    raw = b"".join(struct.pack("<I", u) for u in units)
    return struct.pack("<I", len(raw)) + raw + blob


def unigram_trained(size, normalizer, pre):
    t = Tokenizer(models.Unigram())
    if normalizer:
        t.normalizer = normalizer
    t.pre_tokenizer = pre
    t.train_from_iterator(CORPUS[:9], trainers.UnigramTrainer(vocab_size=size, special_tokens=["<pad>", "</s>", "<unk>"], unk_token="<unk>", show_progress=False))
    return t


def t5():
    norm = normalizers.Sequence([normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")])
    t = unigram_trained(500, norm, pre_tokenizers.Metaspace())
    t.decoder = decoders.Metaspace()
    t.post_processor = processors.TemplateProcessing(single="$A </s>", special_tokens=[("</s>", 1)])
    common_added(t)
    return t


def albert():
    rules = {"ﬁ": "fi", "①": "1", "\u3000": " ", "\u00a0": " ", "e\u0301": "é", "Å": "Å", "ｶﾞ": "ガ", "…": "...", "\u200b": "", "ß": "ss", "İ": "i̇", "Ａ": "A", "㌀": "アパート"}
    norm = normalizers.Sequence([normalizers.Precompiled(double_array(rules)), normalizers.Lowercase()])
    t = unigram_trained(420, None, pre_tokenizers.Metaspace(prepend_scheme="never"))
    model = json.loads(t.to_str())["model"]
    # Three pieces for which the price of an unknown character decides.
    vocab = [tuple(v) for v in model["vocab"]] + [("ŋŧ", -12.0), ("ŧđ", -3.0), ("đ", -11.0)] + [("<0x%02X>" % b, -12.0) for b in range(256)]
    t = Tokenizer(models.Unigram(vocab, unk_id=2, byte_fallback=True))
    t.normalizer = norm
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace(prepend_scheme="always")])
    t.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    t.post_processor = processors.TemplateProcessing(single="<pad> $A </s>", special_tokens=[("<pad>", 0), ("</s>", 1)])
    common_added(t)
    return t


def bert():
    t = Tokenizer(models.WordPiece(unk_token="[UNK]", max_input_chars_per_word=60))
    t.normalizer = normalizers.BertNormalizer()
    t.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    t.decoder = decoders.WordPiece()
    t.train_from_iterator(words(), trainers.WordPieceTrainer(vocab_size=600, special_tokens=["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"], show_progress=False))
    t.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    common_added(t)
    return t


def clip():
    t = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix="@@", unk_token="<unk>"))
    t.normalizer = normalizers.Sequence([normalizers.NFD(), normalizers.Lowercase()])
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Whitespace(), pre_tokenizers.Punctuation("merged_with_previous")])
    t.decoder = decoders.BPEDecoder()
    t.train_from_iterator(CORPUS[:9] * 3, trainers.BpeTrainer(vocab_size=500, special_tokens=["<unk>"], end_of_word_suffix="</w>", continuing_subword_prefix="@@", show_progress=False))
    common_added(t)
    return t


def wordlevel():
    t = Tokenizer(models.WordLevel(unk_token="<unk>"))
    t.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Split(",", behavior="merged_with_next"), pre_tokenizers.CharDelimiterSplit(" "), pre_tokenizers.Digits()])
    t.train_from_iterator(words(), trainers.WordLevelTrainer(vocab_size=200, special_tokens=["<unk>"], show_progress=False))
    common_added(t)
    return t


KINDS = [llama3, qwen2, gpt2, roberta, deepseek, phi4, falcon, starcoder, llama2, mistral, gemma, legacy, t5, albert, bert, clip, wordlevel]


def byte_offsets(text, offsets):
    at = [0]
    for c in text:
        at.append(at[-1] + len(c.encode()))
    return [at[i] for pair in offsets for i in pair]


def write(path, value):
    raw = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
    path.write_bytes(gzip.compress(raw, 9, mtime=0))


def golden(t, texts, seed):
    cases = []
    for text in texts:
        plain, full = t.encode(text, add_special_tokens=False), t.encode(text)
        cases.append({
            "ids": plain.ids, "offsets": byte_offsets(text, plain.offsets), "full_ids": full.ids, "full_offsets": byte_offsets(text, full.offsets),
            "decoded": t.decode(plain.ids, skip_special_tokens=True), "full_decoded": t.decode(full.ids, skip_special_tokens=False),
        })
    rng = random.Random(seed)
    decodes = []
    for _ in range(60):
        ids = [rng.randrange(t.get_vocab_size() if rng.random() < 0.4 else 270) for _ in range(rng.randrange(1, 9))]
        decodes.append({"ids": ids, "decoded": t.decode(ids, skip_special_tokens=True), "full_decoded": t.decode(ids, skip_special_tokens=False)})
    return {"tokenizer": json.loads(t.to_str()), "cases": cases, "decodes": decodes}


def training():
    """What BpeTrainer learns where Train must learn the same."""
    t = Tokenizer(models.BPE())
    t.pre_tokenizer = pre_tokenizers.Sequence([isolated(LLAMA3), raw_bytes()])
    t.train_from_iterator(CORPUS, trainers.BpeTrainer(vocab_size=700, min_frequency=2, special_tokens=["<|bos|>", "<|eot|>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    model = json.loads(t.to_str())["model"]
    return {"corpus": CORPUS, "vocab": model["vocab"], "merges": model["merges"]}


def classes():
    """Prints the code point ranges of each class the library tests for."""
    probes = {
        "\\p{L} of Oniguruma": lambda c, n=normalizers.Replace(Regex(r"\p{L}"), ""): n.normalize_str(c) == "",
        "\\p{N} of Oniguruma": lambda c, n=normalizers.Replace(Regex(r"\p{N}"), ""): n.normalize_str(c) == "",
        "is_numeric": lambda c, p=pre_tokenizers.Digits(individual_digits=True): len(p.pre_tokenize_str("ab" + c)) == 2,
        "\\w of regex": lambda c, p=pre_tokenizers.Whitespace(): p.pre_tokenize_str("a" + c)[0][0] == "a" + c,
        "punctuation": lambda c, p=pre_tokenizers.Punctuation(): len(p.pre_tokenize_str("ab" + c)) == 2,
        "BERT Mn": lambda c, n=normalizers.BertNormalizer(False, False, True, False): n.normalize_str(c) == "",
        "BERT control": lambda c, n=normalizers.BertNormalizer(True, False, False, False): n.normalize_str(c) == "",
        "marks": lambda c, n=normalizers.StripAccents(): n.normalize_str(c) == "",
        "decomposed": lambda c, n=normalizers.NFKD(): n.normalize_str(c) != c,
        "lowered": lambda c, n=normalizers.Lowercase(): n.normalize_str(c) != c,
    }
    points = [c for c in range(0x110000) if not 0xD800 <= c < 0xE000]
    for name, probe in probes.items():
        runs = []
        for c in filter(lambda c: probe(chr(c)), points):
            if runs and runs[-1][1] == c - 1:
                runs[-1][1] = c
            else:
                runs.append([c, c])
        print(name, " ".join("%x-%x" % tuple(r) for r in runs))


def main(args):
    if args == ["--classes"]:
        return classes()
    if len(args) not in (1, 2):
        sys.exit(__doc__)
    out = pathlib.Path(args[0])
    out.mkdir(parents=True, exist_ok=True)
    texts = TEXTS + fuzz_texts(int(args[1]) if len(args) == 2 else 0)
    (out / "texts.json").write_text(json.dumps(texts, indent=0) + "\n")
    for i, kind in enumerate(KINDS):
        write(out / (kind.__name__ + ".json.gz"), golden(kind(), texts, i))
    write(out / "train.json.gz", training())
    write(out / "trained.json.gz", golden(Tokenizer.from_file(str(out / "trained.json")), texts, len(KINDS)))


if __name__ == "__main__":
    main(sys.argv[1:])
