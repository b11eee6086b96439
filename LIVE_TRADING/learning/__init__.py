"""Online learning of which horizon pays: bandit, draws, rewards and their persistence."""

from LIVE_TRADING.learning.bandit import BanditState, Exp3IXBandit, ExponentialWeights
from LIVE_TRADING.learning.config import LearningConfig
from LIVE_TRADING.learning.hedge import Hedge, HedgeLearner, HorizonOutcomes
from LIVE_TRADING.learning.optimizer import EnsembleWeightOptimizer
from LIVE_TRADING.learning.outcomes import OutcomeTracker, WaitingEntry
from LIVE_TRADING.learning.persistence import BanditPersistence
from LIVE_TRADING.learning.rewards import PendingReward, RewardTracker, RoundTrip, reward

__all__ = [
    "BanditPersistence",
    "BanditState",
    "EnsembleWeightOptimizer",
    "Exp3IXBandit",
    "ExponentialWeights",
    "Hedge",
    "HedgeLearner",
    "HorizonOutcomes",
    "LearningConfig",
    "OutcomeTracker",
    "PendingReward",
    "RewardTracker",
    "RoundTrip",
    "WaitingEntry",
    "reward",
]
