"""Each paper's own training, as far as it is printed; what it leaves open is said to be ours.

On other data than the paper's, epochs are the paper's epochs, and steps its steps.
"""

from __future__ import annotations

from dataclasses import replace

from convatlas.errors import ConfigError
from convatlas.nets import papers
from convatlas.nets.catalog import Row
from convatlas.train.config import Config

_STEPS_OF_8_EPOCHS = 8 * 1_281_167 / 32  # of ImageNet's training pictures, 32 a step
_HELD = Config(
    recipe="paper",
    size="paper",
    optimizer="sgd",
    momentum=0.9,
    nesterov=False,
    schedule="step",
    flip=True,
)


def paper(row: Row) -> Config:
    """The training of the paper that a network is from.

    Raises:
        ConfigError: a LeNet with batch normalisation, which has nothing to average over.
    """
    small = row.input_size == 32
    match row.paper:
        case papers.LENET:
            return lenet(row)
        case papers.ALEXNET:
            return alexnet()
        case papers.ONE_WEIRD_TRICK:
            return one_weird_trick()
        case papers.VGG:
            return vgg()
        case papers.NIN:
            return nin_cifar() if small else nin()
        case papers.GOOGLENET:
            return googlenet()
        case papers.BN:
            return bn_inception()
        case papers.RESNET:
            return resnet_cifar(deep=sum(row.options["depths"]) >= 54) if small else resnet()
        case papers.RESNEXT if small:
            return resnext_cifar()
    return resnext()  # Wide ResNet's ImageNet runs were made with the same program


def lenet(row: Row) -> Config:
    """LeCun et al. 1998, section III.B: 20 passes over MNIST, picture by picture; .95 % error.

    Its rates, .0005, .0002, .0001, .00005 and .00001, are divided by μ + h, the curvature h being
    measured for each weight anew; μ = .02 alone is taken here. Its loss has one target code a
    class, and here it is the cross-entropy.
    """
    if row.options.get("norm") == "batch":
        raise ConfigError(
            f"the paper of {row.name} trains picture by picture, and there batch normalisation "
            "has nothing to average over: choose the recipe d2l"
        )
    return replace(
        _HELD,
        epochs=20,
        batch_size=1,
        lr=0.0005 / 0.02,
        momentum=0.0,
        weight_decay=0.0,
        drops=((2 / 20, 0.4), (5 / 20, 0.2), (8 / 20, 0.1), (12 / 20, 0.02)),
        flip=False,
    )


def alexnet() -> Config:
    """Krizhevsky et al. 2012, section 5: 90 cycles with the rate in the velocity; 40.7 % error.

    The rate was divided by 10 three times, whenever validation stood still; the quarters here are
    those of his later paper. `alexnet` draws its weights as printed: N(0, .01), biases of one in
    conv2, conv4, conv5 and the hidden dense layers.
    """
    return replace(
        _HELD,
        epochs=90,
        batch_size=128,
        resize=256,
        crop="random",
        colour=0.1,
        optimizer="alexnet",
        lr=0.01,
        weight_decay=5e-4,
        drops=((0.25, 0.1), (0.5, 0.01), (0.75, 0.001)),
    )


def one_weird_trick() -> Config:
    """Krizhevsky 2014, section 5: a batch of 128, and the rate ÷ 250^⅓ at each quarter."""
    drops = tuple((k / 4, 250 ** (-k / 3)) for k in (1, 2, 3))
    return replace(alexnet(), drops=drops)


def vgg() -> Config:
    """Simonyan and Zisserman 2014, section 3.1, S = 256: 74 epochs; VGG-16 to 27.0 % error.

    The rate was divided by 10 three times, when validation stood still; the quarters are ours. The
    paper begins the deep nets with layers of the shallow one.
    """
    return replace(
        alexnet(),
        epochs=74,
        batch_size=256,
        optimizer="sgd",
    )


def nin() -> Config:
    """The solver beside the author's ``nin_imagenet`` in the Caffe zoo; the paper has no such net.

    450,000 steps of 64 pictures, ÷ 10 every 200,000.
    """
    return replace(
        alexnet(),
        steps=450_000,
        batch_size=64,
        colour=0.0,
        optimizer="sgd",
        drops=((200 / 450, 0.1), (400 / 450, 0.01)),
    )


def nin_cifar() -> Config:
    """Lin et al. 2013, section 4: batches of 128, the rate ÷ 10 twice; 8.81 % error on CIFAR-10.

    Rate, decay and steps are those of the author's ``cifar10_nin`` solver, the place of the second
    drop is ours. The paper whitens the pictures first.
    """
    return replace(
        _HELD,
        steps=120_000,
        batch_size=128,
        lr=0.1,
        weight_decay=1e-4,
        drops=((100 / 120, 0.1), (110 / 120, 0.01)),
        shift=4,
    )


def googlenet() -> Config:
    """Szegedy et al. 2014, section 6: 4 % off the rate every 8 epochs, and an average is kept.

    The rate, the batch and the number of steps are what the batch normalisation paper says of
    Inception (section 4.2.1); the decay is Caffe's. Top-5 error 10.07 % of one model on one crop.
    """
    steps = 31_000_000
    return replace(
        _HELD,
        steps=steps,
        batch_size=32,
        crop="resized",
        jitter=0.4,
        lr=0.0015,
        weight_decay=2e-4,
        schedule="exponential",
        final=0.96 ** (steps / _STEPS_OF_8_EPOCHS),
        ema=0.9999,
    )


def bn_inception() -> Config:
    """Ioffe and Szegedy 2015, section 4.2, BN-x5: five times the rate.

    It falls six times as fast. A fifth of the weight decay, and less distortion of the colours.
    72.2 % top-1 after 2.1 million steps, where Inception takes 31.0.
    """
    steps = 2_100_000
    return replace(
        googlenet(),
        steps=steps,
        jitter=0.0,
        lr=0.0075,
        weight_decay=2e-4 / 5,
        final=0.96 ** (6 * steps / _STEPS_OF_8_EPOCHS),
    )


def resnet() -> Config:
    """He et al. 2015, section 3.4: 600,000 steps of 256, 120 epochs; ResNet-50 to 22.85 % error.

    The rate was divided by 10 when the error stood still: at 150,000 and 300,000 in figure 4. The
    paper draws the short side from [256, 480] for each picture, and here it is 256.
    """
    return replace(
        _HELD,
        epochs=120,
        batch_size=256,
        resize=256,
        crop="random",
        colour=0.1,
        lr=0.1,
        weight_decay=1e-4,
        decay_everything=True,
        drops=((0.25, 0.1), (0.5, 0.01)),
    )


def resnet_cifar(deep: bool = False) -> Config:
    """He et al. 2015, section 4.2: 64,000 steps of 128; ResNet-20 to 8.75 %, 110 to 6.43 % error.

    Args:
        deep: 110 layers and more, which begin at a tenth of the rate for the first 400 steps; here
            the rate rises over them.
    """
    return replace(
        resnet(),
        epochs=10,
        steps=64_000,
        batch_size=128,
        resize=None,
        crop="centre",
        colour=0.0,
        shift=4,
        drops=((32 / 64, 0.1), (48 / 64, 0.01)),
        warmup=400 / 64_000 if deep else None,
    )


def resnext() -> Config:
    """Xie et al. 2017, section 4: ÷ 10 every 30 epochs; ResNeXt-50 to 22.2 % error.

    Pictures and schedule are those of Facebook's program, fb.resnet.torch.
    """
    return replace(
        resnet(),
        epochs=100,
        crop="resized",
        jitter=0.4,
        drops=((0.3, 0.1), (0.6, 0.01), (0.9, 0.001)),
    )


def resnext_cifar() -> Config:
    """Xie et al. 2017, section 5.2: 300 epochs, ÷ 10 at 150 and 225; 3.65 % error on CIFAR-10."""
    return replace(
        resnet_cifar(),
        epochs=300,
        steps=None,
        weight_decay=5e-4,
        drops=((0.5, 0.1), (0.75, 0.01)),
    )
