"""What Dramatiq's workers do."""

import os

import dramatiq
from dramatiq.brokers.redis import RedisBroker

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "peer.settings")

import django
from django.apps import apps
from django.conf import settings

if not apps.ready:
    django.setup()

from django.db import transaction
from django.utils import timezone

from .features import NoEgfr, tensors
from .models import Patient, Prediction
from .network import forecast

# No results are kept in Redis: they belong into the database.
dramatiq.set_broker(RedisBroker(url=settings.REDIS_URL))


def category(risk_5y: float) -> str:
    bounds = ((0.03, "low"), (0.15, "moderate"), (0.4, "high"))
    return next((name for bound, name in bounds if risk_5y < bound), "very_high")


@dramatiq.actor(max_retries=3)
def predict(prediction_id: str):
    prediction = Prediction.objects.select_related("patient").get(id=prediction_id)
    patient = prediction.patient
    observations = list(patient.observations.order_by("effective_at"))
    therapies = list(patient.therapies.filter(ended_on=None))
    try:
        risks = forecast(*tensors(patient, observations, therapies, timezone.now().date()))
    except NoEgfr:
        Prediction.objects.filter(id=prediction_id).update(status="failed", completed_at=timezone.now())
        return
    now = timezone.now()
    with transaction.atomic():
        # A message that was delivered twice changes nothing the second time.
        open_one = Prediction.objects.filter(id=prediction_id, status="queued")
        values = [
            {"code": o.code, "value": o.value, "unit": o.unit, "effective_at": o.effective_at.isoformat()}
            for o in observations
        ]
        answer = {"inputs": {"values": values}, "result": {"risk": risks}}
        if open_one.update(status="succeeded", completed_at=now, **answer):
            Patient.objects.filter(id=patient.id).update(
                risk_2y=risks[1]["probability"], risk_5y=risks[4]["probability"],
                risk_category=category(risks[4]["probability"]), risk_at=now, updated_at=now,
            )
