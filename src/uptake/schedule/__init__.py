"""Schedules of training: which rows share an optimiser step, which come oftener, and when to stop. Pure: no torch."""

from __future__ import annotations

from uptake.schedule.batches import conflict_free, fill, standing, violations
from uptake.schedule.drawn import EpochRows, in_passes
from uptake.schedule.exposures import exposures
from uptake.schedule.order import Decision, Layout, Order, arranged
from uptake.schedule.record import Schedule, interval
from uptake.schedule.resampling import Drawing, Resampling, Standing, reweighted, shares
from uptake.schedule.stopping import Stopping, best, stops

__all__ = [
    "Decision",
    "Drawing",
    "EpochRows",
    "Layout",
    "Order",
    "Resampling",
    "Schedule",
    "Standing",
    "Stopping",
    "arranged",
    "best",
    "conflict_free",
    "exposures",
    "fill",
    "in_passes",
    "interval",
    "reweighted",
    "shares",
    "standing",
    "stops",
    "violations",
]
