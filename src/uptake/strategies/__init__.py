"""Methods of continual learning, one file each: hooks into the training of a stage; see docs/strategies.md."""

from __future__ import annotations

from collections.abc import Mapping

from uptake.strategies.adapters.mixture import MIXTURE
from uptake.strategies.adapters.olora import OLORA
from uptake.strategies.adapters.routed import ROUTED
from uptake.strategies.averaging.ema import EMA
from uptake.strategies.averaging.interpolation import INTERPOLATION
from uptake.strategies.averaging.layer_merging import LAYER_MERGING
from uptake.strategies.averaging.merging import MERGING
from uptake.strategies.averaging.soup import SOUP
from uptake.strategies.distillation.der import DER
from uptake.strategies.distillation.lwf import LWF
from uptake.strategies.distillation.ser import SER
from uptake.strategies.distillation.zscl import ZSCL
from uptake.strategies.objectives.dft import DFT
from uptake.strategies.order.early_stop import EARLY_STOP
from uptake.strategies.order.resampling import RESAMPLING
from uptake.strategies.penalties.ewc import EWC
from uptake.strategies.penalties.l2 import L2
from uptake.strategies.penalties.mas import MAS
from uptake.strategies.penalties.reglora import REGLORA
from uptake.strategies.penalties.si import SI
from uptake.strategies.preference.conflict_aware import CONFLICT_AWARE
from uptake.strategies.preference.dpo import DPO
from uptake.strategies.preference.npo import NPO
from uptake.strategies.preference.simnpo import SIMNPO
from uptake.strategies.projection.agem import AGEM
from uptake.strategies.projection.gpm import GPM
from uptake.strategies.projection.ogd import OGD
from uptake.strategies.projection.osf import OSF
from uptake.strategies.replay.continual_t0 import CONTINUAL_T0
from uptake.strategies.replay.far_replay import FAR_REPLAY
from uptake.strategies.replay.general_replay import GENERAL_REPLAY
from uptake.strategies.replay.hard_replay import HARD_REPLAY
from uptake.strategies.replay.joint import JOINT
from uptake.strategies.replay.lost_replay import LOST_REPLAY
from uptake.strategies.replay.mend import MEND
from uptake.strategies.replay.near_replay import NEAR_REPLAY
from uptake.strategies.replay.replay import REPLAY
from uptake.strategies.strategy import Chosen, Strategy

STRATEGIES: Mapping[str, Strategy] = {
    "replay": REPLAY,
    "hard_replay": HARD_REPLAY,
    "far_replay": FAR_REPLAY,
    "general_replay": GENERAL_REPLAY,
    "continual_t0": CONTINUAL_T0,
    "joint": JOINT,
    "lost_replay": LOST_REPLAY,
    "near_replay": NEAR_REPLAY,
    "mend": MEND,
    "lwf": LWF,
    "der": DER,
    "ser": SER,
    "zscl": ZSCL,
    "ema": EMA,
    "interpolation": INTERPOLATION,
    "soup": SOUP,
    "merging": MERGING,
    "layer_merging": LAYER_MERGING,
    "l2": L2,
    "ewc": EWC,
    "mas": MAS,
    "si": SI,
    "reglora": REGLORA,
    "agem": AGEM,
    "ogd": OGD,
    "gpm": GPM,
    "osf": OSF,
    "olora": OLORA,
    "mixture": MIXTURE,
    "routed": ROUTED,
    "dft": DFT,
    "npo": NPO,
    "simnpo": SIMNPO,
    "dpo": DPO,
    "conflict_aware": CONFLICT_AWARE,
    "resampling": RESAMPLING,
    "early_stop": EARLY_STOP,
}

__all__ = ["STRATEGIES", "Chosen", "Strategy"]
