"""What others reach on the same patients: gradient-boosted trees, logistic regression, a random
survival forest and Cox regression, fitted on one row per patient with summaries of the history.

    model features --data TRAIN --output train.csv
    model features --data HOLDOUT --output holdout.csv
    python baselines.py train.csv holdout.csv results.json
"""

import json
import sys

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.impute import SimpleImputer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sksurv.ensemble import RandomSurvivalForest
from sksurv.linear_model import CoxPHSurvivalAnalysis
from sksurv.util import Surv

HORIZONS = (2, 5)
SEED = 1
# A forest keeps a survival curve in every leaf and a Cox model a Hessian: both are fitted on the
# first rows only, for memory and time.
FOREST_ROWS = 10_000
COX_ROWS = 40_000


def read(file):
    table = pd.read_csv(file)
    features = table.drop(columns=["id", "years", "event"])
    return features.astype(np.float32), table["years"].to_numpy(), table["event"].to_numpy()


def labels(years, event, horizon):
    """Failed by the horizon, and the inverse probability of not being censored (as `model`)."""
    censored = event == "censored"
    order = np.argsort(years, kind="stable")
    at_risk = len(years) - np.arange(len(years))
    survival = np.cumprod(1.0 - censored[order] / at_risk)
    steps = years[order]

    def uncensored(time):
        before = np.searchsorted(steps, time, side="left")
        return np.where(before == 0, 1.0, survival[np.maximum(before - 1, 0)])

    known = (~censored & (years <= horizon)) | (years >= horizon)
    weight = np.where(known, 1.0 / np.maximum(uncensored(np.minimum(years, horizon)), 0.05), 0.0)
    return (event == "kidney_failure") & (years <= horizon), weight


def classifier(make, train, holdout):
    (x, years, event), (x_new, *_) = train, holdout
    risks = {}
    for horizon in HORIZONS:
        failed, weight = labels(years, event, horizon)
        known = weight > 0
        model = make()
        last = model.steps[-1][0] + "__" if hasattr(model, "steps") else ""
        model.fit(x[known], failed[known], **{last + "sample_weight": weight[known]})
        risks[horizon] = model.predict_proba(x_new)[:, 1]
    return risks


def survival(model, rows, train, holdout):
    (x, years, event), (x_new, *_) = train, holdout
    # Quarters of a year: a curve with a step for every patient would not fit into memory.
    quarters = np.ceil(years[:rows] * 4) / 4
    target = Surv.from_arrays(event[:rows] == "kidney_failure", quarters)
    model.fit(x[:rows], target)
    parts = np.array_split(np.arange(len(x_new)), 50)
    score = np.concatenate([model.predict(x_new.iloc[part]) for part in parts])
    return {horizon: score for horizon in HORIZONS}


def filled(*steps):
    return make_pipeline(SimpleImputer(), StandardScaler(), *steps)


def main():
    train, holdout = read(sys.argv[1]), read(sys.argv[2])
    forest = RandomSurvivalForest(
        n_estimators=100, min_samples_leaf=15, max_features="sqrt", low_memory=True,
        random_state=SEED, n_jobs=2,
    )
    boosted = lambda: HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=400, max_leaf_nodes=31, min_samples_leaf=40,
        l2_regularization=1.0, early_stopping=True, random_state=SEED,
    )
    rows = len(train[0])
    voices = [
        ("logistic regression", rows,
         lambda: classifier(lambda: filled(LogisticRegression(max_iter=400)), train, holdout)),
        ("gradient-boosted trees", rows, lambda: classifier(boosted, train, holdout)),
        ("Cox regression", min(rows, COX_ROWS),
         lambda: survival(filled(CoxPHSurvivalAnalysis(alpha=0.1)), COX_ROWS, train, holdout)),
        ("random survival forest", min(rows, FOREST_ROWS),
         lambda: survival(make_pipeline(SimpleImputer(), forest), FOREST_ROWS, train, holdout)),
    ]
    _, years, event = holdout
    results = []
    print("| voice | fitted on | AUROC at 2 years | AUROC at 5 years |")
    print("| --- | --- | --- | --- |")
    for voice, fitted_on, run in voices:
        risks = run()
        found = {}
        for horizon in HORIZONS:
            failed, weight = labels(years, event, horizon)
            found[horizon] = roc_auc_score(failed, risks[horizon], sample_weight=weight)
        results.append({
            "voice": voice, "fitted_on": fitted_on,
            "auroc_2y": found[2], "auroc_5y": found[5],
        })
        print(f"| {voice} | {fitted_on} | {found[2]:.4f} | {found[5]:.4f} |", flush=True)
        with open(sys.argv[3], "w", encoding="utf-8") as file:
            json.dump(results, file, indent=2)
            file.write("\n")


if __name__ == "__main__":
    main()
