"""Where the published weights are: names, checksums, sizes, mirrors and licences. Facts only; nothing is fetched here.

A file is trusted because of its checksum, not because of the address it came from. The checksums of large files are
those that Git LFS pointers on the Hugging Face Hub state; those of small ones were computed from the files in the
official repositories. Each row's `note` says what is not verified.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Literal

from hyperstyle.errors import UnknownWeights, did_you_mean

Part = Literal[
    "hyperstyle",  # hypernetwork, generator and average latent in one checkpoint
    "w_encoder",
    "direction",  # InterFaceGAN
    "ganspace",
    "style_relevance",  # StyleCLIP: how much each StyleSpace channel follows each text direction
    "style_statistics",  # StyleCLIP: mean and standard deviation of each StyleSpace channel
    "prompt_templates",
    "text_model",
    "identity_metric",
    "lpips_features",  # AlexNet, whose features LPIPS compares
    "lpips_weights",  # how much each of these features counts
    "e4e",
    "restyle",
    "psp",
]
Extra = Literal["text", "metrics", "compare"]
EXTRAS: tuple[Extra, ...] = ("text", "metrics", "compare")
UNPINNED = "main"


@dataclass(frozen=True)
class Licence:
    """What a licence asks, in short; the text behind `url` is what counts."""

    title: str
    summary: str
    url: str


@dataclass(frozen=True)
class Mirror:
    """One place a file can be fetched from.

    Args:
        kind: "hub" is a Hugging Face repository, "url" a plain address, "drive" a Google Drive file.
        address: The repository's name, the whole URL, or the Drive file's id.
        path: The file inside a hub repository.
        repo_type: Hub only.
        revision: Hub only: the full commit, or "main" where only a branch is known, which its owner can change.
        note: What is not verified about this place, beyond that no address could be tried when the row was written.
    """

    kind: Literal["hub", "url", "drive"]
    address: str
    path: str = ""
    repo_type: Literal["model", "space"] = "model"
    revision: str = UNPINNED
    note: str = ""

    @property
    def pinned(self) -> bool:
        """Whether the address names one version of the file; a Drive id does not, its owner can replace the file."""
        return self.kind == "url" or (self.kind == "hub" and self.revision != UNPINNED)

    @property
    def title(self) -> str:
        """A short name for messages."""
        if self.kind == "hub":
            return self.address
        return "Google Drive" if self.kind == "drive" else self.address.split("/")[2]


@dataclass(frozen=True)
class WeightsFile:
    """One published file.

    Args:
        name: What it is called in a local folder; unique among all files.
        part: What it supplies.
        bytes: Its exact size, or None where it is not known.
        sha256: Its checksum in hexadecimal, or None where it is not known.
        mirrors: Where it can be fetched from, in the order of trying.
        licences: What applies to it.
        note: What is not verified.
        git_blob: Its Git object name, a weaker checksum (SHA-1) for a file known only from a Git tree.
        rough_bytes: A rounded size, for display, where the exact one is not known; it is never checked.
    """

    name: str
    part: Part
    bytes: int | None
    sha256: str | None
    mirrors: tuple[Mirror, ...]
    licences: tuple[Licence, ...]
    note: str
    git_blob: str | None = None
    rough_bytes: int | None = None

    @property
    def checkable(self) -> bool:
        """Whether a damaged or exchanged file would be noticed."""
        return self.sha256 is not None or self.git_blob is not None


@dataclass(frozen=True)
class WeightsSet:
    """The files that make one domain.

    Args:
        name: What the command line and the library call it.
        title: What it is.
        required: Needed for rebuilding and editing.
        text: For edits by text.
        metrics: For measuring identity and perceptual distance as the papers do.
        compare: For methods to compare with: other encoders, and what those that descend compare pictures with.
    """

    name: str
    title: str
    required: tuple[WeightsFile, ...]
    text: tuple[WeightsFile, ...] = ()
    metrics: tuple[WeightsFile, ...] = ()
    compare: tuple[WeightsFile, ...] = ()

    def files(self, extras: Collection[Extra] = ()) -> tuple[WeightsFile, ...]:
        """The required files and those of the named extras, each once."""
        chosen = [*self.required]
        for extra in EXTRAS:
            if extra in extras:
                chosen += getattr(self, extra)
        return tuple(dict.fromkeys(chosen))

    def licences(self, extras: Collection[Extra] = ()) -> tuple[Licence, ...]:
        """Everything that applies to those files, each once."""
        return tuple(dict.fromkeys(licence for file in self.files(extras) for licence in file.licences))


# Licences

MIT = Licence(
    "MIT (HyperStyle and its relatives)",
    "The code of HyperStyle, encoder4editing, ReStyle, pixel2style2pixel, StyleCLIP and InterFaceGAN may be used "
    "freely as long as the copyright notice stays with it. That the trained weights are covered too is assumed here, "
    "not verified.",
    "https://github.com/yuval-alaluf/hyperstyle/blob/main/LICENSE",
)
NVIDIA = Licence(
    "NVIDIA Source Code License-NC (StyleGAN2)",
    "The generator is NVIDIA's StyleGAN2, and HyperStyle's checkpoints contain it: research and evaluation only, no "
    "commercial use. Whoever passes it on, converted or not, has to include the full licence text and all notices, and "
    "has to keep the same limit on what is derived from it.",
    "https://nvlabs.github.io/stylegan2/license.html",
)
NVIDIA_ADA = Licence(
    "NVIDIA Source Code License (StyleGAN2-ADA)",
    "The generator for wild animals was trained with NVIDIA's StyleGAN2-ADA: research and evaluation only, no "
    "commercial use. Whoever passes it on has to include the full licence text and keep the same limit on what is "
    "derived from it.",
    "https://nvlabs.github.io/stylegan2-ada-pytorch/license.html",
)
FFHQ = Licence(
    "FFHQ data set (CC BY-NC-SA 4.0)",
    "The networks learned from FFHQ, photos of real people under various Creative Commons licences. The data set asks "
    "for non-commercial use and credit, and says that it should not be used to develop or improve facial recognition. "
    "How far these terms reach into trained weights is not settled.",
    "https://github.com/NVlabs/ffhq-dataset",
)
AFHQ = Licence(
    "AFHQ data set (CC BY-NC 4.0)",
    "The networks learned from AFHQ, whose pictures may not be used commercially and ask for credit. How far these "
    "terms reach into trained weights is not settled.",
    "https://creativecommons.org/licenses/by-nc/4.0/legalcode",
)
CAR_DATA = Licence(
    "Stanford Cars and LSUN data sets (terms not verified)",
    "The networks learned from the Stanford Cars and LSUN Car pictures. Their terms were not read for this list; treat "
    "the weights as for research only until you have.",
    "https://www.yf.io/p/lsun",
)
FACE_RECOGNITION = Licence(
    "MIT code, training data of unverified provenance",
    "The code of CurricularFace and InsightFace_Pytorch is MIT-licensed, but the networks learned from large "
    "collections of faces whose provenance and consent are not verified. Here they measure how alike two pictures "
    "look; do not use them to identify people.",
    "https://github.com/TreB1eN/InsightFace_Pytorch/blob/master/LICENSE",
)
CLIP = Licence(
    "CLIP (MIT code, restrictive model card)",
    "OpenAI's model card calls any deployed use case, commercial or not, out of scope at present, restricts it to "
    "English, and rules out surveillance and facial recognition in every case. The re-published file is tagged "
    "Apache-2.0 on the Hub.",
    "https://github.com/openai/CLIP/blob/main/model-card.md",
)
LPIPS_LICENCE = Licence(
    "BSD code, trained on ImageNet (LPIPS and torchvision)",
    "The code of LPIPS (BSD 2-Clause) and torchvision (BSD 3-Clause) may be used freely as long as the notices stay "
    "with it. AlexNet learned from ImageNet, which is offered for non-commercial research and education. How far these "
    "terms reach into trained weights is not settled.",
    "https://github.com/richzhang/PerceptualSimilarity/blob/master/LICENSE",
)

# Places

HYPERSTYLE_COMMIT = "a723c7310312ca5b7f859340027f78e18965acbc"
E4E_COMMIT = "99ea50578695d2e8a1cf7259d8ee89b23eea942b"
LPIPS_COMMIT = "082bb24f84c091ea94de2867d34c4544f68e0963"
STYLECLIP_COMMIT = "f87a47f7fc39e19a1f6c88293875692b303bf168"


def _github(repository: str, commit: str, path: str) -> Mirror:
    return Mirror("url", f"https://raw.githubusercontent.com/{repository}/{commit}/{path}")


def _official(path: str) -> Mirror:
    """A small file in the official repository."""
    return _github("yuval-alaluf/hyperstyle", HYPERSTYLE_COMMIT, path)


def _drive(file_id: str) -> Mirror:
    return Mirror(
        "drive",
        file_id,
        note="Linked by the official repository; that the checksum in this list belongs to that copy is not verified.",
    )


def _trysem(name: str) -> Mirror:
    return Mirror(
        "hub",
        "trysem/DualStyleGANplus",
        f"models/hyperstyle/{name}",
        revision="6b8de8c55e6e6d37048093d68789cc03da5d0cbc",
        note="A private person's copy, tagged MIT there; that tag is not a licence from the authors.",
    )


def _inversion_testing(name: str) -> Mirror:
    return Mirror(
        "hub",
        "ethanNeuralImage/inversion_testing",
        f"pretrained_models/hyperstyle/{name}",
        repo_type="space",
        revision="e5e497c93d5d3ea547f4dc82fc6ae64cf7b67b36",
        note="A private person's demo, broken when its page was last seen; its files may go with it.",
    )


def _style_feature_editor(name: str, note: str = "") -> Mirror:
    commit = "ebe062367edc7567f5e882454f916cce64fd52be"
    return Mirror("hub", "AIRI-Institute/StyleFeatureEditor", f"pretrained_models/{name}", revision=commit, note=note)


# Faces

_TWICE = "Two independent Hub repositories state this checksum."
_OWN_SUM = "The checksum was computed from the file in the official repository."

HYPERSTYLE_FFHQ = WeightsFile(
    "hyperstyle_ffhq.pt",
    "hyperstyle",
    1_440_969_951,
    "9d4c627724e9f6b7f87f13a03b71731a4bb537875271cb46662be08a9885c364",
    (
        _trysem("hyperstyle_ffhq.pt"),
        _inversion_testing("hyperstyle_ffhq.pt"),
        _drive("1C3dEIIH1y8w1-zQMCyx7rDF0ndswSXh4"),
    ),
    (MIT, NVIDIA, FFHQ),
    f"{_TWICE} The second was seen up to its sixtieth digit only.",
)
FACES_W_ENCODER = WeightsFile(
    "faces_w_encoder.pt",
    "w_encoder",
    257_850_531,
    "3cb757ae38268b08db8235b4a3d42c98c74428a817b619338848f277cd23e715",
    (
        _trysem("faces_w_encoder.pt"),
        _inversion_testing("faces_w_encoder.pt"),
        _drive("1M-hsL3W_cJKs77xM1mwq2e9-J0_m7rHP"),
    ),
    (MIT, FFHQ),
    f"{_TWICE} The size agrees with what a user of the official repository reports (246 MiB).",
)


def _direction(name: str, size: int, sha256: str) -> WeightsFile:
    return WeightsFile(
        f"{name}.pt",
        "direction",
        size,
        sha256,
        (
            _official(f"editing/interfacegan_directions/{name}.pt"),
            _github("omertov/encoder4editing", E4E_COMMIT, f"editings/interfacegan_directions/{name}.pt"),
        ),
        (MIT, FFHQ),
        _OWN_SUM,
    )


AGE = _direction("age", 2_808, "50074516b1629707d89b5e43d6b8abd1792212fa3b961a87a11323d6a5222ae0")
SMILE = _direction("smile", 2_808, "817a7e732b59dee9eba862bec8bd7e8373568443bc9f9731a21cf9b0356f0653")
POSE = _direction("pose", 37_624, "736e0eacc8488fa0b020a2e7bd256b957284c364191dfea693705e5d06d43e7d")
FFHQ_PCA = WeightsFile(
    "ffhq_pca.pt",
    "ganspace",
    167_562,
    "4d7f9df1c96180d9026b9cb8d04753579fbf385f321a9d0e263641601c5e5d36",
    (_github("omertov/encoder4editing", E4E_COMMIT, "editings/ganspace_pca/ffhq_pca.pt"),),
    (MIT, FFHQ),
    "The checksum was computed from the file in the repository of encoder4editing.",
)
STYLE_RELEVANCE = WeightsFile(
    "fs3.npy",
    "style_relevance",
    None,
    None,
    (
        _official("editing/styleclip/global_directions/ffhq/fs3.npy"),
        _github("orpatashnik/StyleCLIP", STYLECLIP_COMMIT, "global_directions/npy/ffhq/fs3.npy"),
        Mirror(
            "hub",
            "rinong/stylegan-nada-models",
            "fs3.npy",
            revision="dd12f4d3c46e10ba576962aa13ccca1b80e24565",
            note="That this is the same file is not verified; the Git object name decides.",
        ),
    ),
    (MIT, NVIDIA, FFHQ),
    "Known by its Git object name alone, which the official repository and StyleCLIP state alike; its size and SHA-256 "
    "are not known.",
    git_blob="ef9dc0a49a4e2ffe1c81b8632baab6e3a4466726",
)
STYLE_STATISTICS = WeightsFile(
    "S_mean_std",
    "style_statistics",
    75_092,
    "d35879347e5df307287404d08b9166c4e304c544c07e5c0d345d346bde77656f",
    (_official("editing/styleclip/global_directions/ffhq/S_mean_std"),),
    (MIT, NVIDIA, FFHQ),
    f"{_OWN_SUM} It is a pickle, which can run code when opened carelessly; the checksum is what makes it this one.",
)
PROMPT_TEMPLATES = WeightsFile(
    "templates.txt",
    "prompt_templates",
    1_727,
    "9cf11dc6bfc24c775bd4a500a616fde36d9f19a7c61234bdd111606bd649a0ef",
    (_official("editing/styleclip/global_directions/templates.txt"),),
    (MIT,),
    _OWN_SUM,
)
CLIP_VIT_B32 = WeightsFile(
    "clip_vit_b32_openai.safetensors",
    "text_model",
    None,
    None,
    (
        Mirror(
            "hub",
            "timm/vit_base_patch32_clip_224.openai",
            "open_clip_model.safetensors",
            revision="ab5b8ef490e86faa07d3523926b842c765de1de5",
        ),
    ),
    (CLIP,),
    "No checksum is known; after a download the one the Hub states for that commit is checked instead. A file found on "
    "this machine is taken as it is.",
    rough_bytes=605_000_000,
)
CURRICULAR_FACE = WeightsFile(
    "CurricularFace_Backbone.pth",
    "identity_metric",
    260_837_256,
    "031ea0f7ba5f46905980cc446f0bbf9539e361246bff95f7077efffe2f110e04",
    (
        _style_feature_editor("CurricularFace_Backbone.pth"),
        _inversion_testing("CurricularFace_Backbone.pth"),
        _drive("1f4IwVa2-Bn9vWLwB-bUwm53U_MlvinAj"),
    ),
    (FACE_RECOGNITION,),
    _TWICE,
)
ALEXNET = WeightsFile(
    "alexnet-owt-7be5be79.pth",
    "lpips_features",
    244_408_911,
    "7be5be791159472b1fbf3c69796f7cb30dca7ad8466c2df70058c37116cdee02",
    (Mirror("url", "https://download.pytorch.org/models/alexnet-owt-7be5be79.pth"),),
    (LPIPS_LICENCE,),
    "Several independent public repositories state this checksum, and the file's own name ends with its first digits.",
)
LPIPS_ALEX = WeightsFile(
    "alex.pth",
    "lpips_weights",
    6_009,
    "df73285e35b22355a2df87cdb6b70b343713b667eddbda73e1977e0c860835c0",
    (_github("richzhang/PerceptualSimilarity", LPIPS_COMMIT, "lpips/weights/v0.1/alex.pth"),),
    (LPIPS_LICENCE,),
    _OWN_SUM,
)
E4E_FFHQ = WeightsFile(
    "e4e_ffhq_encode.pt",
    "e4e",
    1_201_649_680,
    "2ace1d9a8c05c10a399bcd500b8dda118f759ff1aac89dbdab7435f2136a0999",
    (
        Mirror("hub", "wmpscc/StyleGene", "e4e_ffhq_encode.pt", revision="e301280ac9a63ba7ebb4be3311128bb6c9cb9ae2"),
        Mirror("hub", "zhengchong/e4e", "e4e_ffhq_encode.pt", note="Only the branch is known, so it is not pinned."),
        _drive("1cUv_reLE6k3604or78EranS7XzuVMWeO"),
    ),
    (MIT, NVIDIA, FFHQ),
    _TWICE,
)
RESTYLE_FFHQ = WeightsFile(
    "restyle_e4e_ffhq.pt",
    "restyle",
    808_582_283,
    "89afa8b3255be61425714397be11f07b34312d76ea22382ecf80001da617da5b",
    (
        Mirror(
            "hub",
            "trysem/restyle-e4e-ffhq",
            "restyle_e4e_ffhq.pt",
            revision="8c39c980afb4f9a882b30344dd941afc2ab073bf",
            note="A private person's copy.",
        ),
        _drive("1e2oXVeBPXMQoUoC_4TNwAWpOPpSEhE_e"),
    ),
    (MIT, NVIDIA, FFHQ),
    "One Hub repository states this checksum; that its file is the official one is not verified.",
)
PSP_FFHQ = WeightsFile(
    "psp_ffhq_encode.pt",
    "psp",
    None,
    "f786ac5cf18fcdbc5c57c9f3f12cbedca69381fbdf5694dd132294e3133749d7",
    (
        Mirror(
            "hub",
            "trysem/pixel2style2pixel",
            "psp_ffhq_encode.pt",
            revision="38432361dadb040906bc23623efb58bdc061a6a4",
            note="A private person's copy.",
        ),
        _drive("1bMTNWkh5LArlaWSc_wa8VKyq2V42T2z0"),
    ),
    (MIT, NVIDIA, FFHQ),
    "One Hub repository states this checksum; that its file is the official one is not verified, and its exact size is "
    "not known.",
    rough_bytes=1_200_000_000,
)

# Wild animals and cars: the official Drive links are the only known source, and nothing is known to check them by.

_DRIVE_ONLY = (
    "Only the official Google Drive link is known, and neither its size nor a checksum: a damaged or exchanged file "
    "would not be noticed."
)


def _on_drive(name: str, part: Part, file_id: str, licences: tuple[Licence, ...]) -> WeightsFile:
    place = Mirror("drive", file_id, note="Linked by the official repository.")
    return WeightsFile(name, part, None, None, (place,), licences, _DRIVE_ONLY)


CARS_PCA = WeightsFile(
    "cars_pca.pt",
    "ganspace",
    167_562,
    "a5c3bae61ecd85de077fbbf103f5f30cf4b7676fe23a8508166eaf2ce73c8392",
    (
        _official("editing/ganspace_directions/cars_pca.pt"),
        _github("omertov/encoder4editing", E4E_COMMIT, "editings/ganspace_pca/cars_pca.pt"),
    ),
    (MIT, CAR_DATA),
    _OWN_SUM,
)

SETS: tuple[WeightsSet, ...] = (
    WeightsSet(
        "ffhq",
        "Photos of faces, 1024 px (HyperStyle trained on FFHQ)",
        required=(HYPERSTYLE_FFHQ, FACES_W_ENCODER, AGE, SMILE, POSE, FFHQ_PCA),
        text=(STYLE_RELEVANCE, STYLE_STATISTICS, PROMPT_TEMPLATES, CLIP_VIT_B32),
        metrics=(CURRICULAR_FACE, ALEXNET, LPIPS_ALEX),
        compare=(E4E_FFHQ, RESTYLE_FFHQ, PSP_FFHQ, ALEXNET, LPIPS_ALEX),
    ),
    WeightsSet(
        "afhq_wild",
        "Wild animals, 512 px (HyperStyle trained on AFHQ Wild)",
        required=(
            _on_drive(
                "hyperstyle_afhq_wild.pt", "hyperstyle", "1OMAKYRp3T6wzGr0s3887rQK-5XHlJ2gp", (MIT, NVIDIA_ADA, AFHQ)
            ),
            _on_drive("afhq_wild_w_encoder.pt", "w_encoder", "1MhEHGgkTpnTanIwuHYv46i6MJeet2Nlr", (MIT, AFHQ)),
        ),
        metrics=(ALEXNET, LPIPS_ALEX),
        compare=(ALEXNET, LPIPS_ALEX),
    ),
    WeightsSet(
        "cars",
        "Cars, 512 x 384 px (HyperStyle trained on Stanford Cars)",
        required=(
            _on_drive("hyperstyle_cars.pt", "hyperstyle", "1WZ7iNv5ENmxXFn6dzPeue1jQGNp6Nr9d", (MIT, NVIDIA, CAR_DATA)),
            _on_drive("cars_w_encoder.pt", "w_encoder", "1GZke8pfXMSZM9mfT-AbP1Csyddf5fas7", (MIT, CAR_DATA)),
            CARS_PCA,
        ),
        metrics=(ALEXNET, LPIPS_ALEX),
        compare=(ALEXNET, LPIPS_ALEX),
    ),
)


def find_set(name: str) -> WeightsSet:
    """Look up a set of published weights.

    Raises:
        UnknownWeights: There is none of that name; the message suggests the nearest.
    """
    by_name = {weights_set.name: weights_set for weights_set in SETS}
    if name not in by_name:
        raise UnknownWeights(f"There are no published weights called '{name}'; {did_you_mean(name, by_name)}")
    return by_name[name]
