"""The commands as a user drives them: real processes, real signals, a real full disk."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from convatlas import data
from convatlas.classifier import Classifier

pytestmark = pytest.mark.slow

CONVATLAS = [sys.executable, "-m", "convatlas"]
TRAIN = [*CONVATLAS, "train", "lenet_bn", "digits", "--batch-size", "64", "--lr", "0.1"]


def run(*argv: str | Path, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        list(map(str, argv)),
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONWARNINGS": "error::UserWarning:convatlas"} | environment,
        timeout=120,
    )


def mended(ran: subprocess.CompletedProcess[str]) -> str:
    """The one line on stderr of a command whose user can mend what was wrong."""
    assert ran.returncode == 2, ran.stderr
    assert ran.stderr.count("\n") == 1, ran.stderr
    assert ran.stderr.startswith("convatlas: ")
    return ran.stderr


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that knows the digits."""
    folder = tmp_path_factory.mktemp("runs") / "digits"
    ran = run(*TRAIN, "--epochs", "6", "--out", folder)
    assert (ran.returncode, ran.stderr) == (0, "")
    return folder


def test_train_evaluate_predict(digits: Path, tmp_path: Path) -> None:
    test = data.load("digits").test
    ran = run(*CONVATLAS, "evaluate", digits, "digits", "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    report = json.loads(ran.stdout)
    last = json.loads((digits / "metrics.jsonl").read_text().splitlines()[-1])
    assert report["top1"] == pytest.approx(last["test_accuracy"], abs=1e-9)
    assert report["top1"] > 0.8

    for i in range(20):
        Image.fromarray(test.images[i, 0].numpy()).save(tmp_path / f"{i:02}.png")
    asked = [tmp_path / "00.png", f"{tmp_path}/0[1-9].png", tmp_path]
    ran = run(*CONVATLAS, "predict", digits, *asked, "--json")
    assert (ran.returncode, ran.stderr) == (0, "")
    answers = json.loads(ran.stdout)
    assert len(answers) == 1 + 9 + 20
    logits = Classifier.load(digits).logits(test.images[:20])
    expected = [test.classes[i] for i in logits.argmax(1)]
    assert [answer["label"] for answer in answers] == expected[:10] + expected


def test_an_unreadable_picture(digits: Path, tmp_path: Path) -> None:
    (tmp_path / "cut.jpg").write_bytes(b"\xff\xd8\xff\xe0 and no more")
    said = mended(run(*CONVATLAS, "predict", digits, tmp_path))
    assert f"{tmp_path / 'cut.jpg'} cannot be read as a picture" in said


def test_a_learning_rate_that_is_too_large(tmp_path: Path) -> None:
    ran = run(*TRAIN, "--epochs", "3", "--lr", "1e18", "--out", tmp_path)
    said = mended(ran)
    assert re.search(r"the loss is (nan|inf|\d(\.\d+)?e\+\d+) at step ", said)
    assert "try a smaller --lr" in said
    assert "no epoch was finished" in said


def test_ctrl_c_in_the_middle_keeps_a_model_that_answers(tmp_path: Path) -> None:
    argv = [*CONVATLAS, "train", "lenet_bn", "shapes", "--epochs", "10000", "--out", str(tmp_path)]
    process = subprocess.Popen(
        argv,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
        # a shell that starts pytest in the background has its children ignore the signal
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith("    1 "):  # the first epoch is over, the second under way
            process.send_signal(signal.SIGINT)
            break
    out, errors = process.communicate(timeout=60)
    assert errors == ""
    assert process.returncode == 0
    assert "what was learned until then is kept" in out
    said = json.loads((tmp_path / "run.json").read_text())["result"]
    assert said["interrupted"] is True
    assert 1 <= said["epochs"] < 10_000
    Image.new("RGB", (40, 30), (200, 0, 0)).save(tmp_path / "picture.png")
    (answer,) = Classifier.load(tmp_path).predict([tmp_path / "picture.png"])
    assert answer.label in data.load("shapes", side=28).test.classes


@pytest.fixture
def small_disk(digits: Path, tmp_path: Path) -> Iterator[Path]:
    """A disk with room for the first checkpoint and a model, and none for a second one beside it.

    The checkpoint is a model and the random states, which take 32 kB.
    """
    disk = tmp_path / "disk"
    disk.mkdir()
    size = (digits / "model.safetensors").stat().st_size * 11 // 4 + 32_768
    command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(disk)]
    try:
        mounted = subprocess.run(command, capture_output=True, check=False).returncode == 0
    except OSError:
        mounted = False
    if not mounted:
        pytest.skip("a small disk cannot be mounted here: that takes root and Linux")
    yield disk
    subprocess.run(["umount", str(disk)], check=True)


def test_a_full_disk_loses_nothing(small_disk: Path, tmp_path: Path) -> None:
    out, elsewhere = small_disk / "run", tmp_path / "tmp"
    elsewhere.mkdir()
    ran = run(*TRAIN, "--epochs", "2", "--out", out, TMPDIR=str(elsewhere))
    said = mended(ran)
    assert f"cannot write {out / 'model.safetensors'}: No space left on device" in said
    kept = Path(said.rpartition(" is in ")[2].strip())
    assert kept.is_relative_to(elsewhere)
    assert Classifier.load(kept).card["epochs"] == 2
    assert Classifier.load(out).card["epochs"] == 1  # the older one stays whole
    assert not [p for p in out.iterdir() if p.name.endswith(".part")]


OWN = """
import sys, torch, convatlas as ca
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.fc = nn.Conv2d(1, 8, 3), nn.Linear(8 * 6 * 6, 10)
    def forward(self, x):
        x = self.conv(x).relu()
        return self.fc(x.view(len(x), -1))

torch.manual_seed(0)
run = ca.fit(Net(), "digits", epochs=4, batch_size=64, lr=0.1, out=sys.argv[1])
again = ca.Classifier.load(run.folder, net=Net())
test = ca.data.load("digits").test
assert torch.equal(again.logits(test.images), run.classifier.logits(test.images))
print(run.report.top1)
"""


def test_a_script_with_a_network_of_its_own(tmp_path: Path) -> None:
    ran = run(sys.executable, "-W", "error", "-c", OWN, tmp_path)
    assert (ran.returncode, ran.stderr) == (0, "")
    lines = ran.stdout.splitlines()
    assert lines[0] == "Net on digits: 1,438 training and 359 test pictures of 8×8, 10 classes"
    assert float(lines[-1]) > 0.85
