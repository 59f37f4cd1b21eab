"""The churn service: is it well, which version is it, and will this customer leave?"""

import hashlib
import json
import os
import pickle
from pathlib import Path

from fastapi import FastAPI
from pydantic import BaseModel, Field

ROOT = Path(__file__).resolve().parent.parent
CONFIG = json.loads((ROOT / "config" / "service.json").read_text())
MODEL_PATH = Path(os.environ.get("MODEL_PATH", ROOT / "artifacts" / "model.pkl"))
MODEL_BYTES = MODEL_PATH.read_bytes()
MODEL = pickle.loads(MODEL_BYTES)

app = FastAPI(title="churn-model", version=CONFIG["version"])


class Customer(BaseModel):
    """What is known of a customer, in the order the model was trained on."""

    tenure_months: float = Field(ge=0)
    monthly_charge: float = Field(ge=0)
    support_calls: float = Field(ge=0)
    contract_months: float = Field(ge=0)


class Prediction(BaseModel):
    """How likely the customer is to leave, and whether that is over the threshold."""

    churn_probability: float
    churn: bool


@app.get("/health")
def health() -> dict[str, str]:
    """Answers once the model is loaded, which importing this module has done."""
    return {"status": "ok"}


@app.get("/version")
def version() -> dict[str, str]:
    """What is running: the service and the very bytes of its model."""
    return {"version": CONFIG["version"], "model_sha256": hashlib.sha256(MODEL_BYTES).hexdigest()}


@app.post("/predict")
def predict(customer: Customer) -> Prediction:
    """Will this customer leave?"""
    row = [[customer.tenure_months, customer.monthly_charge, customer.support_calls, customer.contract_months]]
    probability = float(MODEL.predict_proba(row)[0][1])
    return Prediction(churn_probability=round(probability, 6), churn=probability >= CONFIG["threshold"])
