"""What is kept of each answer."""

from __future__ import annotations

from django.db import models


class Expense(models.Model):
    """One answer and its price."""

    model_name = models.CharField(max_length=100)
    tokens = models.PositiveIntegerField()
    cost_usd = models.FloatField(null=True)
    at = models.DateTimeField(auto_now_add=True)
