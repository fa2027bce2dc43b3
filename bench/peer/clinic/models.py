"""The tables: those of ours that the measured paths touch, with the indexes that they need."""

import uuid

from django.db import models
from django.db.models import F
from django.db.models.functions import Coalesce, Upper
from django.contrib.postgres.indexes import OpClass


class Account(models.Model):
    email = models.EmailField(unique=True)
    role = models.CharField(max_length=20)


class Token(models.Model):
    """A secret's SHA-256, as nobody keeps secrets in the clear."""

    digest = models.CharField(max_length=64, primary_key=True)
    account = models.ForeignKey(Account, on_delete=models.CASCADE)


class Patient(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    mrn = models.CharField(max_length=64, unique=True)
    given_name = models.CharField(max_length=100)
    family_name = models.CharField(max_length=100)
    birth_date = models.DateField()
    sex = models.CharField(max_length=6)
    diabetes = models.BooleanField(null=True)
    hypertension = models.BooleanField(null=True)
    cardiovascular_disease = models.BooleanField(null=True)
    heart_failure = models.BooleanField(null=True)
    smoker = models.BooleanField(null=True)
    renal_disease = models.CharField(max_length=20, default="unknown")
    archived_at = models.DateTimeField(null=True)
    latest_egfr = models.FloatField(null=True)
    latest_egfr_at = models.DateTimeField(null=True)
    latest_uacr = models.FloatField(null=True)
    latest_uacr_at = models.DateTimeField(null=True)
    risk_2y = models.FloatField(null=True)
    risk_5y = models.FloatField(null=True)
    risk_category = models.CharField(max_length=10, null=True)
    risk_at = models.DateTimeField(null=True)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        indexes = [
            models.Index(Coalesce("risk_5y", -1.0).desc(), "id", name="patient_risk"),
            models.Index(
                F("risk_category"), Coalesce("risk_5y", -1.0).desc(), F("id"), name="patient_category"
            ),
            models.Index(OpClass(Upper("family_name"), "text_pattern_ops"), name="patient_family_name"),
        ]


class Observation(models.Model):
    # The index below begins with the patient.
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, db_index=False, related_name="observations")
    code = models.CharField(max_length=20)
    value = models.FloatField()
    unit = models.CharField(max_length=30)
    effective_at = models.DateTimeField()

    class Meta:
        indexes = [models.Index("patient", F("effective_at").desc(), name="observation_course")]


class Therapy(models.Model):
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, related_name="therapies")
    kind = models.CharField(max_length=30)
    started_on = models.DateField()
    ended_on = models.DateField(null=True)


class Prediction(models.Model):
    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    patient = models.ForeignKey(Patient, on_delete=models.CASCADE, db_index=False, related_name="predictions")
    status = models.CharField(max_length=10, default="queued")
    requested_at = models.DateTimeField(auto_now_add=True)
    completed_at = models.DateTimeField(null=True)
    inputs = models.JSONField(null=True)
    result = models.JSONField(null=True)

    class Meta:
        indexes = [models.Index("patient", F("requested_at").desc(), name="prediction_latest")]


class AuditEvent(models.Model):
    at = models.DateTimeField(auto_now_add=True)
    account = models.ForeignKey(Account, on_delete=models.PROTECT)
    action = models.CharField(max_length=40)
    patient_id = models.UUIDField(null=True, db_index=True)
    details = models.JSONField(default=dict)
