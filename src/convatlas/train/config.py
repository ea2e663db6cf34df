"""Everything that decides a run, as one documented and checked dataclass."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from convatlas.data.augment.geometry import Edge
from convatlas.errors import ConfigError, UnknownNameError

Optimizer = Literal["auto", "sgd", "alexnet", "adamw", "muon"]
Schedule = Literal["constant", "one-cycle", "cosine", "exponential", "step"]
Precision = Literal["auto", "float32", "bfloat16"]
Layout = Literal["auto", "contiguous", "channels-last"]
Init = Literal["own", "xavier"]
Crop = Literal["centre", "random", "resized", "ten"]
ColourBasis = Literal["set", "image"]
Balance = Literal["none", "weights", "sampler"]
Strategy = Literal["auto", "scratch", "finetune", "head", "gradual"]

_LEAST = {"epochs": 1, "batch_size": 1, "accumulate": 1, "shift": 0, "erase": 0}
_FINITE = ("clip", "weight_decay", "l2_sp", "colour", "jitter", "mixup", "cutmix")


@dataclass(frozen=True, kw_only=True)
class Config:
    """A run's settings; made by a recipe, checked when made.

    Attributes:
        recipe: the name of the recipe that made it, for the record.
        strategy: what trains. ``"scratch"`` and ``"finetune"`` everything, with the learning rates
            of new and of pretrained weights; ``"head"`` the last layer alone; ``"gradual"`` the
            last layer first and the ones below it one after the other (`strategy.Thaw`);
            ``"auto"`` the head or all, as the size of the data set has it (`strategy.settled`).
        epochs: passes over the training pictures.
        steps: in place of ``epochs``: as many of those as come nearest to so many steps.
        repeat: how often an epoch shows each picture; None for as often as gives an epoch of few
            pictures enough steps (`strategy.settled`).
        patience: epochs without a better validation accuracy (or as good a one at a lower loss)
            after which training stops; the best epoch's model is the run's. None to go on to the
            end, and keep what is there.
        batch_size: pictures a step, of all processes together.
        accumulate: parts that a process learns its share of a batch in, one after the other: the
            same step, but for batch normalisation, in less memory.
        sync_norm: batch normalisation over the batches of all processes; GPUs only.
        size: side in pixels of the network's input; ``"own"`` is the pictures' own, or the smallest
            one that the network takes (with ``resize``, its paper's); ``"paper"`` is the one its
            paper used.
        resize: what the short side of a picture is resized to before a crop of ``size`` is taken
            out of it (AlexNet: 256, for 224); None for ``size`` itself where the crop is the centre
            or resized, and for the pictures' own side where it is random or ten.
        crop: ``"centre"``; ``"random"``, from anywhere; ``"resized"``, a part of the original of
            any size and shape (Inception's); or ``"ten"``, the four corners, the centre and their
            mirrors, which makes ten training pictures of each.
        skip_easy: share of the pictures that an epoch leaves out, from the third on: those whose
            loss was lowest when they were last learned from. The others fill its steps
            (`easiest.Easiest`).
        freeze_at: from which share of the steps on the stem learns no more, and from which ones the
            stages above it, in turn: what comes first settles first, and costs most (FreezeOut:
            Brock et al. 2017). At 0 it stays as it begins. It goes on normalising by each batch.
        early_share, early_scale: the first ``early_share`` of the steps sees the pictures at
            ``early_scale`` of their side, where the network takes both: it costs less.
        optimizer: ``"sgd"`` (with ``momentum``, and Nesterov's where ``nesterov``); ``"alexnet"``,
            whose velocity has the learning rate in it (`optimizers.AlexNetSGD`); ``"adamw"``;
            ``"muon"`` for hidden layers with AdamW for the rest (`optimizers.Muon`); or ``"auto"``
            for SGD where the network normalises and AdamW where it does not.
        lr: learning rate; the highest one where the schedule moves it. None for the usual one of
            `optim.settle`, which depends on optimiser and normalisation.
        momentum, nesterov: of SGD and Muon; AlexNet's has no Nesterov.
        stage_decay: learning rate of each stage as a share of that of the stage above it: the
            last layer learns at ``lr``, the one below at ``lr · stage_decay``, and so on down.
        weight_decay: per step, on matrices and kernels only (not on biases and normalisation).
        decay_everything: weight decay on every parameter, as plain loops do.
        l2_sp: below the last layer, weights decay towards where they started, so strongly, in
            place of ``weight_decay`` towards zero (`starting_point.StartingPoint`); 0 for none.
        schedule: of the learning rate, after ``warmup``: ``"constant"``; ``"one-cycle"``, down to
            zero in a straight line; ``"cosine"``, down to zero along a half wave;
            ``"exponential"``, by the same factor each step; or ``"step"``, at once at each of the
            ``drops``.
        warmup: share of the steps over which the learning rate rises to ``lr`` in a straight line;
            None for a fifth where the schedule is one-cycle, and none elsewhere.
        drops: of the step schedule: from which share of the steps on, the learning rate is which
            share of ``lr``.
        final: share of ``lr`` that the exponential schedule ends at.
        clip: the norm of all gradients together is made no larger; 0 for as large as it is.
        ema: decay of a moving average of the weights, which is what is evaluated and kept
            (`average.average_of`); 0 for the weights themselves.
        label_smoothing: share of a label that is spread over all classes.
        flip: mirror each picture with probability one half.
        flip_turns: where pictures are mirrored, each of them is in every other epoch, in place of
            by chance (Jordan 2024, "94% on CIFAR-10 in 3.29 Seconds on a Single GPU").
        shift, shift_edge: move each picture by up to so many pixels each way, with ``"zeros"``
            moving in, or ``"reflect"`` for a mirror along the outermost pixels.
        erase: side of a square set to zero somewhere in each picture (Cutout); 0 for none.
        random_erase: probability that a rectangle of a picture is set to zero.
        colour, colour_basis: deviation of AlexNet's colour along the principal axes of the training
            ``"set"``, or of each ``"image"`` by itself; 0 for none.
        jitter: by how much brightness, contrast and saturation vary; 0 for not at all.
        trivial: TrivialAugment-wide, one operation for each picture.
        mixup, cutmix: α of blended pictures, of pasted ones; 0 for none. Where both are given,
            each batch gets one of them.
        balance: what is done for classes of unequal size: nothing; ``"weights"`` in the loss; or a
            ``"sampler"`` that shows each class equally often.
        init: ``"own"`` keeps the network's, ``"xavier"`` draws all weights anew.
        precision, layout: ``"auto"`` lets a short trial on the real network choose.
        shards: threads that share each batch, where processes do not; None for as many as
            `most_shards` allows, or for one where the trial finds that faster.
        winograd: in float32 and channels-last, a processor computes 3×3 convolutions by Winograd's
            algorithm where that is faster (`train.winograd`), rounding them a little otherwise.
        compiled: training steps, and nothing else, go through ``torch.compile``: the first takes up
            to some minutes, and those after it less on a GPU. One thread has the whole batch.
        seed: of the weights drawn here, the order of the pictures and the augmentation.
    """

    recipe: str = ""
    strategy: Strategy = "scratch"
    epochs: int = 10
    steps: int | None = None
    repeat: int | None = 1
    patience: int | None = None
    batch_size: int = 256
    accumulate: int = 1
    sync_norm: bool = False
    size: int | Literal["own", "paper"] = "own"
    resize: int | None = None
    crop: Crop = "centre"
    skip_easy: float = 0.0
    freeze_at: tuple[float, ...] = ()
    early_share: float = 0.0
    early_scale: float = 0.7
    optimizer: Optimizer = "auto"
    lr: float | None = None
    momentum: float = 0.9
    nesterov: bool = True
    stage_decay: float = 1.0
    weight_decay: float = 5e-4
    decay_everything: bool = False
    l2_sp: float = 0.0
    schedule: Schedule = "one-cycle"
    warmup: float | None = None
    drops: tuple[tuple[float, float], ...] = ((0.5, 0.1), (0.75, 0.01))
    final: float = 0.01
    clip: float = 0.0
    ema: float = 0.0
    label_smoothing: float = 0.0
    flip: bool = False
    flip_turns: bool = False
    shift: int = 0
    shift_edge: Edge = "zeros"
    erase: int = 0
    random_erase: float = 0.0
    colour: float = 0.0
    colour_basis: ColourBasis = "set"
    jitter: float = 0.0
    trivial: bool = False
    mixup: float = 0.0
    cutmix: float = 0.0
    balance: Balance = "none"
    init: Init = "own"
    precision: Precision = "auto"
    layout: Layout = "auto"
    shards: int | None = None
    winograd: bool = True
    compiled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        for name, kind in get_type_hints(Config).items():
            if get_origin(kind) is tuple:  # is looked at below
                continue
            kinds = get_args(kind) or (kind,)
            if float in kinds or int in kinds:
                rule = "a number" if float in kinds else "a whole number"
                self._check(name, _is_number(getattr(self, name), kinds), rule)
            elif bool in kinds:
                self._check(name, isinstance(getattr(self, name), bool), "True or False")
            elif str in kinds:
                self._check(name, isinstance(getattr(self, name), str), "a word")
        for name, least in _LEAST.items():
            self._check(name, getattr(self, name) >= least, f"at least {least}")
        if isinstance(self.size, str):
            self._check("size", self.size in ("own", "paper"), "pixels, 'own' or 'paper'")
        else:
            self._check("size", self.size >= 1, "at least 1 pixel")
        for name in ("shards", "repeat", "patience", "steps"):
            value = getattr(self, name)
            self._check(name, value is None or value >= 1, "at least 1")
        self._check("shards", not self.compiled or self.shards in (None, 1), "1 where compiled")
        self._check("lr", self.lr is None or 0 < self.lr < math.inf, "above 0 and finite")
        self._check("stage_decay", 0 < self.stage_decay <= 1, "above 0, and 1 at most")
        self._check("momentum", 0 <= self.momentum < 1, "from 0 to below 1")
        self._check("resize", self.resize is None or self.resize >= 1, "at least 1 pixel")
        self._check("random_erase", 0 <= self.random_erase <= 1, "from 0 to 1")
        for name in _FINITE:
            self._check(name, 0 <= getattr(self, name) < math.inf, "at least 0 and finite")
        self._check("flip_turns", self.flip or not self.flip_turns, "False where flip is")
        still = self.shift == 0 and self.shift_edge != "zeros"
        self._check("shift_edge", not still, "'zeros' where shift is 0")
        self._check("skip_easy", 0 <= self.skip_easy < 1, "from 0 to below 1")
        numbered = self.skip_easy == 0 or self.balance != "sampler"
        self._check("skip_easy", numbered, "0 where a sampler balances, which has its own order")
        self._check("early_share", 0 <= self.early_share <= 1, "from 0 to 1")
        self._check("early_scale", 0 < self.early_scale <= 1, "above 0, and 1 at most")
        self._check("warmup", self.warmup is None or 0 <= self.warmup <= 1, "from 0 to 1")
        self._check("final", 0 < self.final <= 1, "above 0, and 1 at most")
        self._check("ema", 0 <= self.ema < 1, "from 0 to below 1")
        self._check_drops()
        self._check_freeze_at()
        self._check("label_smoothing", 0 <= self.label_smoothing < 1, "from 0 to below 1")
        self._check("seed", 0 <= self.seed < 2**63, "from 0 to 2⁶³ − 1")
        for name, choices in (
            ("strategy", Strategy),
            ("optimizer", Optimizer),
            ("schedule", Schedule),
            ("precision", Precision),
            ("layout", Layout),
            ("init", Init),
            ("crop", Crop),
            ("colour_basis", ColourBasis),
            ("shift_edge", Edge),
            ("balance", Balance),
        ):
            known = get_args(choices)
            self._check(name, getattr(self, name) in known, f"one of {', '.join(known)}")

    def _check(self, name: str, good: bool, rule: str) -> None:
        if not good:
            raise ConfigError(f"{name} is {getattr(self, name)!r}, but it must be {rule}")

    def _check_drops(self) -> None:
        rule = "pairs of a share of the steps and a share of lr, the first of them growing"
        try:
            drops = tuple((float(start), float(share)) for start, share in self.drops)
        except (TypeError, ValueError):
            drops = ((math.nan, math.nan),)
        starts = [start for start, _ in drops]
        good = all(0 < start < 1 and 0 <= share < math.inf for start, share in drops)
        self._check("drops", good and starts == sorted(set(starts)), rule)
        object.__setattr__(self, "drops", drops)  # JSON and TOML have lists

    def _check_freeze_at(self) -> None:
        try:
            shares = tuple(float(share) for share in self.freeze_at)
        except (TypeError, ValueError):
            shares = (math.nan,)
        good = all(0 <= share <= 1 for share in shares) and list(shares) == sorted(shares)
        self._check("freeze_at", good, "shares of the steps, from 0 to 1, none falling")
        object.__setattr__(self, "freeze_at", shares)
        whole = self.strategy not in ("head", "gradual") and not self.l2_sp
        self._check("freeze_at", whole or not shares, "empty with l2_sp, a head alone, or gradual")

    def to_dict(self) -> dict[str, Any]:
        """As plain JSON types."""
        return asdict(self)


def _is_number(value: object, kinds: tuple[Any, ...]) -> bool:
    """Whether a value is of a setting's type, as far as numbers go; words are looked at later."""
    if isinstance(value, str):
        return any(get_args(kind) for kind in kinds)
    if value is None:
        return type(None) in kinds
    whole = isinstance(value, int) and not isinstance(value, bool)
    return whole or (float in kinds and isinstance(value, float))


def change(config: Config, **changes: Any) -> Config:
    """The settings with some of them replaced; epochs that are asked for replace steps.

    Raises:
        UnknownNameError: there is no such setting.
        ConfigError: a value that cannot be.
    """
    known = [field.name for field in fields(Config)]
    for name in changes:
        if name not in known:
            raise UnknownNameError("setting", name, known)
    if "epochs" in changes:
        changes = {"steps": None} | changes
    return replace(config, **changes)
