"""Which view answers which address."""

from __future__ import annotations

from django.urls import path

from django_app import views

urlpatterns = [
    path("answer", views.answer),
    path("names", views.names),
    path("stream", views.stream),
]
