"""A Django project in five small files that asks a model and writes down what it cost.

    pip install deluge-sync django gunicorn
    export OPENAI_API_KEY=sk-...        # or OPENAI_BASE_URL=http://127.0.0.1:8089/v1 and `deluge-sync serve`
    export DJANGO_SETTINGS_MODULE=django_app.settings
    python -m django migrate --run-syncdb
    export WEB_CONCURRENCY=2            # how many processes gunicorn starts; the limits in `llm` are divided by it
    gunicorn --worker-class gthread --threads 50 --preload --graceful-timeout 90 --timeout 120 django_app.wsgi

    curl 'http://127.0.0.1:8000/answer?question=Why+is+the+sky+blue'
    curl 'http://127.0.0.1:8000/names?thing=a+small+boat'
    curl -N 'http://127.0.0.1:8000/stream?question=Tell+me+a+story'

Run it in the directory above this one.
"""
