"""A small CLIP for one domain: its networks, the words it knows, and what each style channel means to it.

The architecture and the tokenizer are open_clip's. The vocabulary is cut down to the pieces that occur in the domain's
captions, which is what makes the file small; words outside it are detected and reported instead of being guessed at.

Source: CLIP (arXiv 2103.00020).
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from hyperstyle.editing.torchvision_shim import import_open_clip
from hyperstyle.errors import BadPrompt, ForeignWeights, UnknownPrompt, WeightsCorrupt
from hyperstyle.tensor_file import read_tensors, write_tensors

FORMAT = "hyperstyle.text_model"
VERSION = "1"
FILE = "text.safetensors"
MAX_PROMPT_CHARACTERS = 200
CLIP_PREFIX = "clip."

# Words that carry no wish by themselves: a prompt made of these alone asks for nothing.
_PLAIN = (
    "a an the of with without and or in on at to from by no not who has have having is are very really more less some "
    "this that it face person people human portrait photo picture image wearing front looking turned facing lit make "
    "made add put give please want i my me his her their"
)
PLAIN_WORDS = frozenset(_PLAIN.split())
NOUNS = frozenset(("face", "person", "portrait", "man", "woman", "lady", "guy", "photo", "picture", "image"))

# What people type -> what captions say. Longest first match wins; every right-hand word occurs in captions.
SYNONYMS: Mapping[str, str] = {
    # spelling
    "gray": "grey",
    "mustache": "moustache",
    "mustaches": "moustache",
    "moustaches": "moustache",
    "colour": "",
    "color": "",
    "coloured": "",
    "colored": "",
    # things worn
    "spectacles": "glasses",
    "eyeglasses": "glasses",
    "eyewear": "glasses",
    "specs": "glasses",
    "make up": "makeup",
    "lip stick": "lipstick",
    "lipstick": "red lipstick",
    "red lipstick": "red lipstick",
    "pullover": "sweater",
    "jumper": "sweater",
    "t shirt": "shirt",
    "tshirt": "shirt",
    "clothes": "shirt",
    # facial hair
    "stubble": "beard",
    "goatee": "beard",
    "whiskers": "beard",
    "facial hair": "beard",
    "unshaven": "bearded",
    "beards": "beard",
    "beardless": "without a beard",
    "cleanshaven": "clean shaven",
    # hair
    "haired": "hair",
    "hairs": "hair",
    "blondes": "blond",
    "golden": "blond",
    "brunette": "brown hair",
    "brunet": "brown hair",
    "redhead": "red hair",
    "redheaded": "red hair",
    "orange hair": "ginger hair",
    "silver hair": "grey hair",
    "curls": "curly hair",
    "frizzy": "curly",
    "afro": "big curly hair",
    "hairless": "bald",
    "baldness": "bald",
    "no hair": "bald",
    "fringes": "fringe",
    "bang": "bangs",
    "lengthy": "long",
    # mood
    "smiles": "smile",
    "smiley": "smiling",
    "grin": "smile",
    "grinning": "smiling",
    "laugh": "a big smile",
    "laughing": "smiling with an open mouth",
    "joyful": "happy",
    "glad": "happy",
    "joy": "happy",
    "frowns": "frown",
    "gloomy": "sad",
    "depressed": "sad",
    "serious": "not smiling",
    "neutral expression": "not smiling",
    "shocked": "surprised",
    "amazed": "surprised",
    "surprise": "surprised",
    "yawning": "open mouth",
    "shouting": "open mouth",
    "screaming": "open mouth",
    "mouth open": "the mouth open",
    "eyes closed": "the eyes closed",
    "shut eyes": "closed eyes",
    "eyes shut": "the eyes closed",
    "sleep": "sleeping",
    # people
    "girl": "young woman",
    "girls": "young woman",
    "boy": "young man",
    "boys": "young man",
    "gentleman": "man",
    "male": "man",
    "female": "woman",
    "men": "man",
    "women": "woman",
    "dude": "guy",
    "grandma": "old woman",
    "grandmother": "old woman",
    "granny": "old woman",
    "grandpa": "old man",
    "grandfather": "old man",
    "manly": "masculine",
    "womanly": "feminine",
    "girly": "feminine",
    "older": "old",
    "younger": "young",
    "wrinkle": "wrinkles",
    "wrinkly": "wrinkled",
    "teenager": "young person",
    "teen": "young",
    # parts of the face
    "brows": "eyebrows",
    "eyebrow": "eyebrows",
    "eye": "eyes",
    "lip": "lips",
    "tan": "tanned",
    "dark complexion": "dark skin",
    "black skin": "dark skin",
    "white skin": "light skin",
    "huge": "big",
    "tiny": "small",
    "broad": "wide",
    "slim": "thin",
    "chubby": "round",
    # head
    "upward": "up",
    "downward": "down",
    "left side": "left",
    "right side": "right",
    "leftward": "left",
    "rightward": "right",
    "rotated": "turned",
    "backdrop": "background",
}


@dataclass(frozen=True)
class TextModelConfig:
    """Sizes of the two towers; a ModifiedResNet for pictures and a transformer for text.

    Attributes:
        embed_dim: Width of the space both towers end in.
        image_size: Side in pixels of the pictures it looks at.
        vision_layers: Residual blocks per stage.
        vision_width: Channels of the first stage; the last has 32 times as many.
        vision_head_width: Channels per head of the attention pool.
        text_width: Width of the text transformer.
        text_heads: Its attention heads.
        text_layers: Its layers.
        context: Tokens per text, start and end included.
    """

    embed_dim: int = 128
    image_size: int = 64
    vision_layers: tuple[int, int, int, int] = (1, 2, 2, 1)
    vision_width: int = 16
    vision_head_width: int = 64
    text_width: int = 128
    text_heads: int = 4
    text_layers: int = 3
    context: int = 24


@dataclass(frozen=True)
class Vocabulary:
    """What a text model knows, as data.

    Attributes:
        tokens: open_clip token ids in use; their place here plus one is the compact id.
        words: Whole words that captions are made of.
        phrases: Bare phrase without article -> a full sentence for it ("beard" -> "a face with a beard").
    """

    tokens: tuple[int, ...]
    words: frozenset[str]
    phrases: Mapping[str, str]


@dataclass(frozen=True)
class Suggestion:
    """A prompt that was tried, with what it does.

    Attributes:
        prompt: The prompt.
        minimum: Smallest strength that was still believable.
        maximum: Largest such strength.
        parameter: Property it was measured on.
        unit: Unit of that property.
        effect_per_unit: Change of the property per strength 1.
        disentanglement: Value it was measured with.
    """

    prompt: str
    minimum: float
    maximum: float
    parameter: str = ""
    unit: str = ""
    effect_per_unit: float = 0.0
    disentanglement: float = 0.1


@dataclass(frozen=True)
class Prompt:
    """A prompt as the model will read it.

    Attributes:
        text: Cleaned sentence of known words.
        ignored: Words that were left out because the model does not know them.
        asks: False when nothing but plain words remain ("a face"), which is right for a neutral prompt only.
    """

    text: str
    ignored: tuple[str, ...] = ()
    asks: bool = True


class CompactTokenizer:
    """open_clip's tokenizer with its token ids renumbered to those in use.

    Id 0 pads; start and end come last, because the text tower reads its answer at the highest id.

    Args:
        tokens: open_clip token ids in use.
        context: Length of a row.
    """

    def __init__(self, tokens: Sequence[int], context: int) -> None:
        self._full = import_open_clip().SimpleTokenizer()
        self._compact = {token: place + 1 for place, token in enumerate(tokens)}
        self.start, self.end = len(tokens) + 1, len(tokens) + 2
        self.size = len(tokens) + 3
        self.context = context
        self._by_word: dict[str, list[int]] = {}

    def __call__(self, texts: Sequence[str]) -> Tensor:
        """Turn cleaned lower-case texts into (B, context) int64; pieces not in use are left out, long texts are cut."""
        rows = torch.zeros(len(texts), self.context, dtype=torch.long)
        for row, text in enumerate(texts):
            ids = [i for word in split_words(text) for i in self._word(word)][: self.context - 2]
            rows[row, : len(ids) + 2] = torch.tensor([self.start, *ids, self.end])
        return rows

    def _word(self, word: str) -> list[int]:
        # Captions hold some 150 different words, so nearly every look-up is a hit.
        if word not in self._by_word:
            if len(self._by_word) > 4096:
                self._by_word.clear()
            ids = self._full.encode(word)
            self._by_word[word] = [self._compact[i] for i in ids if i in self._compact]
        return self._by_word[word]


_CONTRACTED = re.compile(
    r"n['\u2019\u02bc]t\b|(?<=\bis)nt\b|(?<=\bare)nt\b|(?<=\bdo)nt\b|(?<=\bdoes)nt\b|(?<=\bhas)nt\b|(?<=\bhave)nt\b",
    re.I,
)
_HAS_NOT = re.compile(
    r"\b(?:(?:do|does|did|has|have|is|are|should|must|ca|can|wo|will)\s+)?not\s+(?:wear|wearing|have|having|got|show|showing)\b"
    r"(?:\s+any\b)?",
    re.I,
)


def _spell_out(prompt: str) -> str:
    """Say negations in words the model may know: "isn't" holds a "not", who does not wear glasses is without them."""
    return _HAS_NOT.sub("without", _CONTRACTED.sub(" not", prompt))


def split_words(text: str) -> list[str]:
    """Split a text into lower-case words; everything but letters separates."""
    return re.findall(r"[^\W\d_]+", text.lower())


def make_vocabulary(sentences: Sequence[str], phrases: Mapping[str, str]) -> Vocabulary:
    """Collect the words and token ids a domain needs.

    Args:
        sentences: Sentences that together hold every word of the domain's captions.
        phrases: Phrase -> full sentence; articles are removed from the keys here.
    """
    full = import_open_clip().SimpleTokenizer()
    words = {word for text in (*sentences, *phrases.values()) for word in split_words(text)}
    tokens = {token for word in words for token in full.encode(word)}
    bare = {_without_articles(phrase): sentence for phrase, sentence in phrases.items()}
    return Vocabulary(tuple(sorted(tokens)), frozenset(words), bare)


def _without_articles(text: str) -> str:
    return " ".join(word for word in split_words(text) if word not in ("a", "an", "the"))


def build_clip(config: TextModelConfig, vocabulary_size: int) -> nn.Module:
    """Build an untrained open_clip CLIP.

    Args:
        config: Sizes.
        vocabulary_size: Number of compact token ids, `CompactTokenizer.size`.
    """
    open_clip = import_open_clip()
    vision = {
        "layers": list(config.vision_layers),
        "width": config.vision_width,
        "head_width": config.vision_head_width,
        "image_size": config.image_size,
    }
    text = {
        "context_length": config.context,
        "vocab_size": vocabulary_size,
        "width": config.text_width,
        "heads": config.text_heads,
        "layers": config.text_layers,
    }
    model: nn.Module = open_clip.CLIP(config.embed_dim, vision, text)
    return model


def encode_text(clip: Any, tokens: Tensor) -> Tensor:
    """Encode texts as open_clip's own `encode_text` does, without computing the padding.

    Args:
        clip: From `build_clip`.
        tokens: (B, context) from `CompactTokenizer`.

    Returns:
        (B, embed_dim) of unit length.
    """
    length = int((tokens != 0).sum(1).max())
    tokens = tokens[:, :length]
    x = clip.token_embedding(tokens) + clip.positional_embedding[:length]
    x = clip.ln_final(clip.transformer(x, attn_mask=clip.attn_mask[:length, :length]))
    # Attention is causal, so what follows the end token never reaches it.
    x = x[torch.arange(len(x), device=x.device), tokens.argmax(1)] @ clip.text_projection
    return F.normalize(x, dim=-1)


def encode_pictures(clip: Any, pictures: Tensor, image_size: int) -> Tensor:
    """Encode pictures.

    Args:
        clip: From `build_clip`.
        pictures: (B, 3, H, W) in [-1, 1]; averaged down to what the network looks at.
        image_size: Side in pixels of that.

    Returns:
        (B, embed_dim) of unit length.
    """
    if pictures.shape[-1] != image_size or pictures.shape[-2] != image_size:
        pictures = F.adaptive_avg_pool2d(pictures, image_size)
    return F.normalize(clip.visual(pictures.clamp(-1, 1)), dim=-1)


@dataclass
class TextModel:
    """A trained CLIP with its vocabulary and, once measured, the relevance of every style channel.

    Attributes:
        clip: The open_clip model, in evaluation mode.
        config: Its sizes.
        vocabulary: What it knows.
        templates: Sentences with `{}` over which a prompt is averaged.
        domain: Name of the domain it was trained for.
        relevance: (N, embed_dim) unit rows, one per channel of the layers in `relevance_layers`; None until measured.
        style_std: (N,) standard deviation of each of these channels over the domain.
        relevance_layers: (layer name, channels) in the order of the rows.
        suggestions: Prompts that were tried, with measured ranges.
        facts: Held-out metrics and how it was trained, for people.
    """

    clip: nn.Module
    config: TextModelConfig
    vocabulary: Vocabulary
    templates: tuple[str, ...] = ("{}",)
    domain: str = ""
    relevance: Tensor | None = None
    style_std: Tensor | None = None
    relevance_layers: tuple[tuple[str, int], ...] = ()
    suggestions: tuple[Suggestion, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Prepare the tokenizer."""
        self.tokenizer = CompactTokenizer(self.vocabulary.tokens, self.config.context)

    @property
    def device(self) -> torch.device:
        """Where the networks lie."""
        return next(self.clip.parameters()).device

    def embed_texts(self, texts: Sequence[str]) -> Tensor:
        """Encode texts made of known words into (B, embed_dim) of unit length."""
        with torch.no_grad():
            return encode_text(self.clip, self.tokenizer(texts).to(self.device))

    def embed_pictures(self, pictures: Tensor) -> Tensor:
        """Encode (B, 3, H, W) pictures in [-1, 1] into (B, embed_dim) of unit length."""
        with torch.no_grad():
            return encode_pictures(self.clip, pictures.to(self.device), self.config.image_size)

    def embed_prompt(self, text: str) -> Tensor:
        """Encode one understood prompt, averaged over the templates, into (embed_dim,) of unit length."""
        features = self.embed_texts([template.format(text) for template in self.templates])
        return F.normalize(features.mean(0), dim=0)

    def understand(self, prompt: str) -> Prompt:
        """Read a prompt the way the model can: synonyms replaced, unknown words set aside.

        Args:
            prompt: What a person typed.

        Raises:
            BadPrompt: Empty, without any word, or too long.
            UnknownPrompt: None of its words that ask for something is known; carries suggestions.
        """
        words = split_words(_spell_out(check_prompt(prompt)))
        if not words:
            raise BadPrompt("The prompt holds no words; describe a face, for example 'a smiling face'.")
        words = self._replace_synonyms(words)
        known = [word for word in words if word in self.vocabulary.words]
        # Words like "my" or "please" ask for nothing, so leaving them out needs no mention.
        ignored = tuple(dict.fromkeys(w for w in words if w not in self.vocabulary.words and w not in PLAIN_WORDS))
        asks = any(word not in PLAIN_WORDS for word in known)
        if ignored and not asks:
            raise UnknownPrompt(*self._do_not_know(prompt.strip(), ignored))
        text = " ".join(known)
        bare = _without_articles(text)
        if bare in self.vocabulary.phrases:
            text = self.vocabulary.phrases[bare]
        elif not NOUNS & set(known):
            text = f"a face with {text}"
        return Prompt(text, ignored, asks)

    def known_prompts(self) -> list[str]:
        """List sentences the model was trained on, one per phrase it knows."""
        return sorted(set(self.vocabulary.phrases.values()))

    def _replace_synonyms(self, words: list[str]) -> list[str]:
        """Replace the longest synonym at each place; drop a plural's ending where only the singular is known."""
        result: list[str] = []
        place = 0
        while place < len(words):
            for length in (3, 2, 1):
                phrase = " ".join(words[place : place + length])
                if length <= len(words) - place and phrase in SYNONYMS:
                    result += SYNONYMS[phrase].split()
                    place += length
                    break
            else:
                word = words[place]
                if word not in self.vocabulary.words and word.removesuffix("s") in self.vocabulary.words:
                    word = word.removesuffix("s")
                result.append(word)
                place += 1
        return result

    def _do_not_know(self, prompt: str, unknown: Sequence[str]) -> tuple[str, list[str]]:
        """Say which words are unknown, and which prompts come nearest."""
        sentences = self.known_prompts()
        near = [w for word in unknown for w in difflib.get_close_matches(word, self.vocabulary.words, 2, 0.7)]
        suggestions = [s for w in near for s in sentences if w in split_words(s)][:2]
        tried = [row.prompt for row in self.suggestions] or list(self.vocabulary.phrases.values())[
            :: max(1, len(sentences) // 6)
        ]
        suggestions += [s for s in tried if s not in suggestions][: 5 - len(suggestions)]
        words = " and ".join(f"'{word}'" for word in unknown[:3])
        examples = ", ".join(f"'{s}'" for s in suggestions[:3])
        return f"The text model does not know {words}; it knows faces only, for example {examples}.", suggestions


def check_prompt(prompt: str) -> str:
    """Refuse prompts that cannot be read at all."""
    if not isinstance(prompt, str) or not prompt.strip():
        raise BadPrompt("The prompt is empty; describe a face, for example 'a smiling face'.")
    if len(prompt) > MAX_PROMPT_CHARACTERS:
        raise BadPrompt(
            f"The prompt has {len(prompt)} characters; say it in {MAX_PROMPT_CHARACTERS} or fewer, "
            "for example 'a smiling face'."
        )
    return prompt


def save_text_model(model: TextModel, path: str | Path) -> None:
    """Write a text model to one file, its matrices in half precision.

    Raises:
        CannotWrite: The folder is missing, not writable, or the disk is full.
    """
    tensors = {CLIP_PREFIX + name: _half(value) for name, value in model.clip.state_dict().items()}
    if model.relevance is not None and model.style_std is not None:
        tensors |= {"relevance": model.relevance.half(), "style_std": model.style_std.float()}
    header = {
        "format": FORMAT,
        "version": VERSION,
        "domain": model.domain,
        "config": json.dumps(asdict(model.config)),
        "tokens": json.dumps(model.vocabulary.tokens),
        "words": json.dumps(sorted(model.vocabulary.words)),
        "phrases": json.dumps(dict(model.vocabulary.phrases)),
        "templates": json.dumps(model.templates),
        "relevance_layers": json.dumps(model.relevance_layers),
        "suggestions": json.dumps([asdict(row) for row in model.suggestions]),
        "facts": json.dumps(dict(model.facts)),
    }
    write_tensors(path, tensors, header)


def _half(tensor: Tensor) -> Tensor:
    """Matrices and kernels only: vectors are small, and variances can lie outside the range of half precision."""
    return tensor.half() if tensor.is_floating_point() and tensor.ndim >= 2 else tensor


def load_text_model(folder: str | Path, device: torch.device | str = "cpu") -> TextModel:
    """Read a domain's text model.

    Args:
        folder: The domain's folder, or the file itself.
        device: Where the networks go.

    Raises:
        WeightsMissing: There is no such file.
        WeightsCorrupt: The file is damaged or inconsistent.
        ForeignWeights: The file is something else, or of a later version.
    """
    path = Path(folder)
    path = path / FILE if path.is_dir() else path
    tensors, header = read_tensors(path)
    if header.get("format") != FORMAT:
        raise ForeignWeights(f"The file {path} is not a text model.")
    if header.get("version") != VERSION:
        raise ForeignWeights(
            f"The file {path} has version {header.get('version')}, and only version {VERSION} is understood."
        )
    try:
        sizes = json.loads(header["config"])
        config = TextModelConfig(**{**sizes, "vision_layers": tuple(sizes["vision_layers"])})
        vocabulary = Vocabulary(
            tuple(json.loads(header["tokens"])),
            frozenset(json.loads(header["words"])),
            json.loads(header["phrases"]),
        )
        # Start, end and padding join the tokens in use.
        clip = build_clip(config, len(vocabulary.tokens) + 3)
        weights = {n.removeprefix(CLIP_PREFIX): _full(t) for n, t in tensors.items() if n.startswith(CLIP_PREFIX)}
        clip.load_state_dict(weights)
        model = TextModel(
            clip.eval().requires_grad_(False).to(device),
            config,
            vocabulary,
            tuple(json.loads(header["templates"])),
            header.get("domain", ""),
            relevance_layers=tuple((name, int(width)) for name, width in json.loads(header["relevance_layers"])),
            suggestions=tuple(Suggestion(**row) for row in json.loads(header["suggestions"])),
            facts=json.loads(header["facts"]),
        )
    except (KeyError, TypeError, ValueError, RuntimeError) as error:
        raise WeightsCorrupt(
            f"The file {path} does not hold a complete text model; restore it or train it again."
        ) from error
    if "relevance" in tensors and "style_std" in tensors:
        model.relevance = tensors["relevance"].float().to(device)
        model.style_std = tensors["style_std"].float().to(device)
        rows = sum(width for _, width in model.relevance_layers)
        if model.relevance.shape != (rows, config.embed_dim) or model.style_std.shape != (rows,):
            raise WeightsCorrupt(f"The channel relevance in {path} does not fit its layers; train it again.")
    return model


def _full(tensor: Tensor) -> Tensor:
    return tensor.float() if tensor.is_floating_point() else tensor
