"""Deterministic weight and input filler shared by every parity case.

Only the standard library and numpy are needed.  Nothing here depends on the
platform, on the numpy version or on a deep-learning framework: every number is
obtained from the raw 64-bit output of PCG64 (whose stream numpy guarantees) by
integer arithmetic, one float64 multiply-add and one rounding to float32.

Vocabulary
----------
salt    one string per golden set; it is written in the metadata of each case.
tag     ``salt + "/" + name``; it alone decides the stream.
name    for a weight: ``prefix + canonical(key)``, where ``prefix`` is the
        sub-module prefix of the official checkpoint ("decoder.", "encoder.",
        "hypernet.", ...) and ``key`` is the state_dict key.

The two kinds of draws
----------------------
normal-like   the four 16-bit fields of one raw uint64 are added, centred and
              scaled to unit variance (Irwin-Hall with n = 4: bounded by
              +-3.46, mean 0, variance 1).
uniform       top 53 bits of one raw uint64, times 2**-53, in [0, 1).
"""

from __future__ import annotations

import hashlib
import math
import re

import numpy as np

_CHUNK = 1 << 22
_CENTRE = 2.0 * 65535.0  # mean of the sum of four fields
_STD = math.sqrt((2.0**32 - 1.0) / 3.0)  # 4 * (65536**2 - 1) / 12


# ------------------------------------------------------------------ streams
def _bits(tag: str) -> np.random.PCG64:
    digest = hashlib.sha256(tag.encode("utf-8")).digest()
    return np.random.PCG64(int.from_bytes(digest[:16], "little"))


def _affine(raw_to_unit, tag, shape, mean, scale):
    bits, n = _bits(tag), int(np.prod(shape, dtype=np.int64)) if len(shape) else 1
    out = np.empty(n, dtype=np.float32)
    for start in range(0, n, _CHUNK):
        raw = bits.random_raw(min(_CHUNK, n - start))
        out[start : start + raw.size] = raw_to_unit(raw) * scale + mean
    return out.reshape(shape)


def _unit_normal(raw):
    m = np.uint64(0xFFFF)
    s = (raw & m) + ((raw >> np.uint64(16)) & m) + ((raw >> np.uint64(32)) & m) + (raw >> np.uint64(48))
    return (s.astype(np.float64) - _CENTRE) / _STD


def _unit_uniform(raw):
    return (raw >> np.uint64(11)).astype(np.float64) * 2.0**-53


def normal(tag, shape, mean=0.0, scale=1.0):
    """float32 array of unit-variance normal-like draws, times scale plus mean."""
    return _affine(_unit_normal, tag, tuple(shape), mean, scale)


def uniform(tag, shape, low=0.0, high=1.0):
    return _affine(_unit_uniform, tag, tuple(shape), low, high - low)


# ------------------------------------------------------------------ weights
_ALIAS = re.compile(r"refinement_blocks\.\d+\.hypernet\.")
_PRELU = re.compile(r"(^|\.)(relu|res_layer\.2|input_layer\.2)\.weight$")


def canonical(key: str) -> str:
    """The nine aliases of the shared hypernetwork all name the same tensors."""
    return _ALIAS.sub("shared_weight_hypernet.", key)


def rule(key: str, shape) -> tuple:
    """(kind, mean, scale) for a state_dict entry.

    kind is "normal", "uniform" (mean = low end, scale = width), "zero" (integer
    counters) or "keep" (structural buffers: leave what the module built).
    """

    def has(pattern):
        return re.search(pattern, key) is not None

    nd = len(shape)
    if has(r"(^|\.)kernel$"):
        return ("keep", 0.0, 0.0)
    if has(r"num_batches_tracked$"):
        return ("zero", 0.0, 0.0)
    if has(r"(^|\.)(mean|std)$"):  # LPIPS input statistics
        return ("keep", 0.0, 0.0)
    if has(r"running_mean$"):
        return ("normal", 0.0, 0.1)
    if has(r"running_var$"):
        return ("uniform", 0.5, 1.0)
    if has(r"shared_weight_hypernet\.[wb][12]$"):
        return ("normal", 0.0, 1.0 / 40.0)
    if has(r"(^|\.)style\.\d+\.weight$"):  # mapping network, lr_mul 0.01
        return ("normal", 0.0, 100.0)
    if has(r"(^|\.)style\.\d+\.bias$"):
        return ("normal", 0.0, 10.0)
    if has(r"modulation\.weight$"):
        return ("normal", 0.0, 1.0)
    if has(r"modulation\.bias$"):
        return ("normal", 1.0, 0.1)
    if nd == 5:  # modulated convolutions
        return ("normal", 0.0, 0.3 if has(r"to_rgb") else 1.0)
    if has(r"(^|\.)noises\.noise_\d+$") or has(r"(^|\.)input\.input$"):
        return ("normal", 0.0, 1.0)
    if has(r"noise\.weight$"):
        return ("normal", 0.0, 0.1)
    if has(r"refinement_blocks\.\d+\.linear\.weight$"):  # equalised linear layers
        return ("normal", 0.0, 1.0)
    if has(r"(^|\.)linear\.weight$"):  # equalised, last layer of an encoder
        return ("normal", 0.0, 0.4)
    if nd == 4 and has(r"weight$"):  # plain convolutions
        fan_in = shape[1] * shape[2] * shape[3]
        gain = 1.0
        if has(r"(^|\.)styles\.\d+\.convs\.\d+\.weight$"):
            gain = math.sqrt(2.0)
        elif has(r"refinement_blocks\.\d+\.output\.\d+\.weight$"):
            gain = 0.1
        return ("normal", 0.0, gain / math.sqrt(fan_in))
    if nd == 2 and has(r"weight$"):  # plain linear layers
        gain = 0.5 if has(r"\.make_kernel_(in|out)\.weight$") else 1.0
        return ("normal", 0.0, gain / math.sqrt(shape[1]))
    if nd == 1 and has(r"weight$"):
        if _PRELU.search(key):
            return ("normal", 0.25, 0.05)
        return ("normal", 1.0, 0.1)  # batch norm
    if has(r"bias$"):
        return ("normal", 0.0, 0.1)
    raise KeyError(f"no rule for {key!r} with shape {tuple(shape)}")


def weight(salt: str, prefix: str, key: str, shape):
    """Filled array for one state_dict entry, or None when it must be kept."""
    kind, mean, scale = rule(key, tuple(shape))
    if kind == "keep":
        return None
    if kind == "zero":
        return np.zeros(tuple(shape), dtype=np.int64)
    tag = f"{salt}/{prefix}{canonical(key)}"
    if kind == "uniform":
        return uniform(tag, shape, mean, mean + scale)
    return normal(tag, shape, mean, scale)


def fill_torch(module, salt: str, prefix: str):
    """Fill a torch module in place from its own state_dict (aliases once)."""
    import torch

    done = set()
    with torch.no_grad():
        for key, tensor in module.state_dict().items():
            name = canonical(key)
            if name in done:
                continue
            done.add(name)
            value = weight(salt, prefix, key, tensor.shape)
            if value is not None:
                tensor.copy_(torch.from_numpy(value))
    return module


# ------------------------------------------------------------------- inputs
def latent_avg(salt: str, n_styles: int):
    """(n_styles, 512): one 512-vector, repeated, as in the official files."""
    row = normal(f"{salt}/latent_avg", (512,), 0.0, 0.2)
    return np.repeat(row[None], n_styles, axis=0)


def image(salt: str, name: str, batch: int, height: int, width: int):
    """(batch, 3, height, width) in [-1, 1]: an 8x8 block pattern plus grain.

    height and width must be multiples of 8.
    """
    coarse = normal(f"{salt}/image/{name}/coarse", (batch, 3, 8, 8), 0.0, 0.5)
    fine = normal(f"{salt}/image/{name}/fine", (batch, 3, height, width), 0.0, 0.1)
    big = coarse.repeat(height // 8, axis=2).repeat(width // 8, axis=3)
    return np.clip(big + fine, np.float32(-1.0), np.float32(1.0))


def array(salt: str, name: str, shape, scale=1.0):
    return normal(f"{salt}/array/{name}", shape, 0.0, scale)


def deltas(salt: str, name: str, batch: int, layout, scale=0.1):
    """Weight offsets for a generator.

    layout: list over generator layers of None or
            (out_channels, in_channels, kernel, per_channel).
    per_channel True : one draw per (out, in), repeated over the kernel window.
    per_channel False: an independent draw per kernel tap.
    """
    out = []
    for i, item in enumerate(layout):
        if item is None:
            out.append(None)
            continue
        o, c, k, per_channel = item
        tag = f"{salt}/delta/{name}/{i}"
        if per_channel:
            d = normal(tag, (batch, o, c, 1, 1), 0.0, scale)
            d = np.ascontiguousarray(np.broadcast_to(d, (batch, o, c, k, k)))
        else:
            d = normal(tag, (batch, o, c, k, k), 0.0, scale)
        out.append(d)
    return out


# ------------------------------------------------------------------ records
def summary(name: str, tensor, profile_axes=(), crops=(), pool=None) -> dict:
    """The numbers kept in a case for one tensor (numpy array).

    NAME.shape   int64
    NAME.stats   float64 (mean, std, l2 norm, min, max) over the whole tensor
    NAME.profile.A  float32, mean over every axis but A
    NAME.crop.I  float32, tensor[crops[I]]  (crops: list of tuples of slices)
    NAME.pool    float32, mean over pool x pool blocks of the last two axes
    """
    t64 = np.asarray(tensor, dtype=np.float64)
    rec = {
        f"{name}.shape": np.array(t64.shape, dtype=np.int64),
        f"{name}.stats": np.array([t64.mean(), t64.std(), math.sqrt(float((t64**2).sum())), t64.min(), t64.max()]),
    }
    for axis in profile_axes:
        other = tuple(a for a in range(t64.ndim) if a != axis)
        rec[f"{name}.profile.{axis}"] = t64.mean(axis=other).astype(np.float32)
    for i, sl in enumerate(crops):
        rec[f"{name}.crop.{i}"] = np.ascontiguousarray(t64[sl]).astype(np.float32)
    if pool:
        h, w = t64.shape[-2:]
        blocks = t64.reshape(*t64.shape[:-2], h // pool, pool, w // pool, pool)
        rec[f"{name}.pool"] = blocks.mean(axis=(-3, -1)).astype(np.float32)
    return rec


def compare(case, name: str, tensor, factor=10.0, rel=1e-5):
    """Compare a tensor with the numbers stored for ``name`` in an open .npz.

    Raises AssertionError, else returns the worst error in units of the limit.
    limit = max(factor * floor, rel * rms): "floor" is the largest difference
    between the official code run in float32 and run in float64, "rms" the root
    mean square of the expected values.
    """
    get = {k: case[k] for k in case.files if k == name or k.startswith(name + ".")}
    floor = float(get.get(f"{name}.floor", np.float64(0.0)))
    worst = 0.0

    def check(what, got, want, limit):
        nonlocal worst
        got, want = np.asarray(got, dtype=np.float64), np.asarray(want, dtype=np.float64)
        assert got.shape == want.shape, f"{name} {what}: shape {got.shape}, expected {want.shape}"
        err = float(np.abs(got - want).max()) if want.size else 0.0
        assert err <= limit, f"{name} {what}: max error {err:.3e} over the limit {limit:.3e}"
        worst = max(worst, err / limit)

    if name in get:  # stored whole
        want = get[name]
        if want.dtype.kind in "iub":
            assert np.array_equal(np.asarray(tensor), want), f"{name}: integers differ"
            return 0.0
        rms = math.sqrt(float(np.mean(np.square(want, dtype=np.float64)))) if want.size else 0.0
        check("values", tensor, want, max(factor * floor, rel * rms, 1e-12))
        return worst

    t = np.asarray(tensor)
    assert list(t.shape) == list(get[f"{name}.shape"]), f"{name}: shape {t.shape}"
    rms = float(get[f"{name}.stats"][2]) / math.sqrt(max(t.size, 1))
    limit = max(factor * floor, rel * rms, 1e-12)
    axes = tuple(int(k.rsplit(".", 1)[1]) for k in get if ".profile." in k[len(name) :])
    spec = case[f"{name}.crops"] if f"{name}.crops" in get else np.zeros((0, 0, 3), np.int64)
    crops = [tuple(slice(int(a), int(b), int(c)) for a, b, c in row) for row in spec]
    pool = int(get[f"{name}.pool_size"]) if f"{name}.pool_size" in get else None
    mine = summary(name, t, axes, crops, pool)
    for k, want in get.items():
        tail = k[len(name) + 1 :]
        if tail in ("shape", "floor", "crops", "pool_size"):
            continue
        if tail == "stats":
            check("mean", mine[k][0], want[0], limit)
            check("std", mine[k][1], want[1], limit)
            check("l2", mine[k][2] / math.sqrt(t.size), want[2] / math.sqrt(t.size), limit)
            check("min, max", mine[k][3:], want[3:], limit)
        else:
            check(tail, mine[k], want, limit)
    return worst


# ----------------------------------------------------------------- selftest
def selftest():
    n = normal("selftest/a", (1000,))
    u = uniform("selftest/b", (1000,), 0.5, 1.5)
    im = image("selftest", "x", 1, 64, 64)
    got = [hashlib.sha256(np.ascontiguousarray(a).tobytes()).hexdigest()[:16] for a in (n, u, im)]
    assert got == SELFTEST_HASHES, got
    return True


SELFTEST_HASHES = ["f313276050131263", "f37fe13f49fcafc4", "3dba8e6977bba342"]

if __name__ == "__main__":
    print("fill.py self-test:", "ok" if selftest() else "failed")
