"""The numbers that d2l's notebooks print."""

from __future__ import annotations

import pytest

from convatlas.train import recipe


def test_course_is_the_courses_plain_loop() -> None:
    """d2l, chapter on VGG: SGD at .05 without momentum or decay, batches of 128, Xavier."""
    course = recipe("course")
    assert (course.epochs, course.batch_size, course.lr) == (5, 128, 0.05)
    assert (course.optimizer, course.momentum, course.weight_decay) == ("sgd", 0.0, 0.0)
    assert (course.schedule, course.init, course.size) == ("constant", "xavier", "paper")
    assert (course.flip, course.shift, course.erase, course.label_smoothing) == (False, 0, 0, 0)


@pytest.mark.parametrize(
    ("net", "lr", "batch_size", "size"),
    [
        ("lenet_d2l", 0.9, 256, 28),
        ("lenet_bn", 1.0, 256, 28),
        ("alexnet_d2l", 0.01, 128, 224),
        ("vgg11_d2l", 0.05, 128, 224),
        ("nin_d2l", 0.1, 128, 224),
        ("googlenet_d2l", 0.1, 128, 96),
        ("resnet18_d2l", 0.05, 256, 96),
        ("resnet18", 0.05, 256, 96),
    ],
)
def test_d2ls_notebooks(net: str, lr: float, batch_size: int, size: int) -> None:
    made = recipe("d2l", net)
    assert (made.lr, made.batch_size, made.size, made.epochs) == (lr, batch_size, size, 10)
    plain = (made.optimizer, made.momentum, made.weight_decay, made.schedule, made.init)
    assert plain == ("sgd", 0.0, 0.0, "constant", "xavier")
