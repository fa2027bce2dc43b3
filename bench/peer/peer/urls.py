"""The paths, named as ours are."""

from django.urls import path

from clinic import views

urlpatterns = [
    path("readyz", views.ready),
    path("api/v1/patients", views.patients),
    path("api/v1/patients/<uuid:patient_id>", views.patient),
    path("api/v1/patients/<uuid:patient_id>/record", views.record_of),
    path("api/v1/patients/<uuid:patient_id>/predictions", views.request_prediction),
    path("api/v1/predictions/<uuid:prediction_id>", views.prediction),
]
