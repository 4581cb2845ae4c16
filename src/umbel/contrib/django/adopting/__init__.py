"""Taking over of the tables of django-celery-results and django-celery-beat."""
