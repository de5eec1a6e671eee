"""Methods of continual learning, one file each: hooks into the training of a stage; see docs/strategies.md."""

from __future__ import annotations

from collections.abc import Mapping

from uptake.strategies.adapters.olora import OLORA
from uptake.strategies.averaging.ema import EMA
from uptake.strategies.distillation.lwf import LWF
from uptake.strategies.order.early_stop import EARLY_STOP
from uptake.strategies.order.resampling import RESAMPLING
from uptake.strategies.projection.agem import AGEM
from uptake.strategies.replay.replay import REPLAY
from uptake.strategies.strategy import Chosen, Strategy

STRATEGIES: Mapping[str, Strategy] = {
    "replay": REPLAY,
    "lwf": LWF,
    "ema": EMA,
    "agem": AGEM,
    "olora": OLORA,
    "resampling": RESAMPLING,
    "early_stop": EARLY_STOP,
}

__all__ = ["STRATEGIES", "Chosen", "Strategy"]
