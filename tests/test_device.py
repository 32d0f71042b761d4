"""Choosing a device and a number of threads."""

from __future__ import annotations

import pytest
import torch

from hyperstyle import device
from hyperstyle.errors import DeviceMissing


@pytest.fixture
def no_gpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)


@pytest.fixture
def two_gpus(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)


def test_auto_takes_what_is_there(no_gpu):
    assert device.resolve_device() == torch.device("cpu")
    assert device.resolve_device(" CPU ") == torch.device("cpu")


def test_auto_prefers_cuda(two_gpus):
    assert device.resolve_device("auto") == torch.device("cuda")
    assert device.resolve_device("cuda:1") == torch.device("cuda", 1)
    with pytest.raises(DeviceMissing, match="has 2 CUDA"):
        device.resolve_device("cuda:2")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("cuda", "no CUDA device"),
        ("mps", "no Apple GPU"),
        ("gpu", "no device called 'gpu'"),
        ("cudaa", "did you mean 'cuda'"),
        ("cpu:1", "no device called"),
        ("", "choose from"),
    ],
)
def test_absent_devices_are_explained(no_gpu, name, message):
    with pytest.raises(DeviceMissing, match=message) as caught:
        device.resolve_device(name)
    assert caught.value.exit_code == 2


def test_threads_follow_the_cores_this_process_may_use(monkeypatch):
    before, chosen = torch.get_num_threads(), []
    monkeypatch.setattr(torch, "set_num_threads", chosen.append)
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(device, "visible_cores", lambda: 1)
    device.set_threads()
    monkeypatch.setenv("OMP_NUM_THREADS", str(before))
    device.set_threads()
    assert chosen == [1]
    assert device.visible_cores() >= 1


def test_the_machine_is_described():
    described = device.describe_machine(torch.device("cpu"))
    assert described["threads"] == torch.get_num_threads()
    assert torch.__version__.startswith(described["torch"])
