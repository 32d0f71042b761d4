"""The stages of training by name, in the order in which they build on each other; the command line lists them."""

MAIN = ("data", "attributes", "identity", "generator", "encoder", "hypernetwork", "clip", "directions", "relevance")
DATA, ATTRIBUTES, IDENTITY, GENERATOR, ENCODER, HYPERNETWORK, CLIP, DIRECTIONS, RELEVANCE = MAIN
# For comparing methods only.
JUDGE, STYLE = "judge", "style"
BASELINES = ("psp", "e4e", "restyle-psp", "restyle-e4e")
ABLATIONS = ("ablation-full", "ablation-separable", "ablation-no-shared-head", "ablation-coarse", "ablation-to-rgb")

STAGES = (*MAIN, JUDGE, *BASELINES, STYLE, *ABLATIONS)
