"""Whether a training led anywhere: what its owner should know before they use the model."""

import math
from collections.abc import Sequence

from jobyard.workers.training.evaluate import Evaluation
from jobyard.workers.training.monitor import Epoch


def warnings_of(
    history: Sequence[Epoch], best: Epoch, evaluation: Evaluation, learning_rate: float
) -> list[str]:
    """Sentences about a training that diverged, and about a model that is no better than guessing.

    Guessing is to give all classes the same probability, which has a cross-entropy of log(classes); or to
    answer the class of the most pictures always.
    """
    found = []
    guessing = math.log(len(evaluation["classes"]))
    first, last = history[0], history[-1]
    lowest = min(history, key=lambda epoch: epoch["val_loss"])  # not the best one, if accuracy decides that
    lower = f"a lower learning rate may help (now {learning_rate:g})"
    if lowest["val_loss"] >= guessing:
        found.append(
            f"val_loss was never below {guessing:.4g}, that of guessing: the training diverged or learned "
            f"nothing; {lower}"
        )
    elif last["val_loss"] >= max(guessing, first["val_loss"]) and last != best:
        rose = f"val_loss rose from {lowest['val_loss']:.4g} to {last['val_loss']:.4g}, worse than guessing"
        found.append(f"the training diverged after epoch {lowest['epoch']}: {rose}; {lower}")
    name, score = max(evaluation["per_class"].items(), key=lambda one: one[1]["support"])
    share = score["support"] / evaluation["pictures"]
    if evaluation["accuracy"] <= share:
        right = f"the model is right about {evaluation['accuracy']:.1%} of the pictures"
        found.append(f"{right}; to answer {name!r} always would be right about {share:.1%}")
    return found
