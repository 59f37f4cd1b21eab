"""Trains the churn model on customers it makes up, and writes the pipeline as a pickle.

    python train.py artifacts/model.pkl

The data is generated from a fixed seed, so the same scikit-learn writes the same model.
"""

import pickle
import sys
from pathlib import Path

import numpy as np
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.metrics import roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline
from sklearn.preprocessing import StandardScaler

SEED = 20240506
FEATURES = ("tenure_months", "monthly_charge", "support_calls", "contract_months")


def make_customers(count: int = 6000) -> tuple[np.ndarray, np.ndarray]:
    """Customers and whether they left: the new, the expensive and the annoyed leave more often."""
    random = np.random.default_rng(SEED)
    tenure = random.integers(0, 72, count)
    charge = random.normal(65, 25, count).clip(15, 150)
    calls = random.poisson(1.4, count)
    contract = random.choice([1, 12, 24], count, p=[0.55, 0.25, 0.20])
    customers = np.column_stack([tenure, charge, calls, contract]).astype(float)
    leaning = 0.4 - 0.05 * tenure + 0.02 * (charge - 65) + 0.55 * calls - 0.09 * contract
    left = random.uniform(size=count) < 1 / (1 + np.exp(-leaning))
    return customers, left.astype(int)


def train() -> tuple[Pipeline, float]:
    """The fitted pipeline, and its area under the ROC curve on customers it has not seen."""
    customers, left = make_customers()
    seen, unseen, seen_left, unseen_left = train_test_split(customers, left, test_size=0.25, random_state=SEED)
    pipeline = Pipeline(
        [
            ("scale", StandardScaler()),
            ("classify", GradientBoostingClassifier(n_estimators=60, max_depth=3, random_state=SEED)),
        ]
    )
    pipeline.fit(seen, seen_left)
    return pipeline, roc_auc_score(unseen_left, pipeline.predict_proba(unseen)[:, 1])


def main() -> None:
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "artifacts/model.pkl")
    pipeline, score = train()
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(pickle.dumps(pipeline, protocol=5))
    print(f"{target}: {target.stat().st_size} bytes, ROC AUC {score:.3f}")


if __name__ == "__main__":
    main()
