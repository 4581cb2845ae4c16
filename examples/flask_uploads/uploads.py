"""Uploads are measured in the background. A factory, as Flask's documentation has it."""

import tempfile
from pathlib import Path

from flask import Flask, Response, current_app, jsonify, request

from umbel.contrib.flask import FlaskUmbel

queue = FlaskUmbel("uploads")


@queue.task(bind=True)
def measure(self, name):
    """Count the bytes of an upload, and tell how far it is."""
    folder = Path(current_app.config["UPLOADS"])  # tasks run in an application context
    size, total = 0, (folder / name).stat().st_size
    with (folder / name).open("rb") as file:
        for chunk in self.progress(iter(lambda: file.read(1 << 16), b""), total=max(1, -(-total // (1 << 16)))):
            size += len(chunk)
    (folder / name).unlink()
    return {"name": name, "bytes": size}


def create_app(**config):
    app = Flask(__name__)
    app.config.from_mapping(UPLOADS=str(Path(tempfile.gettempdir()) / "umbel-uploads"), UMBEL={"broker_url": "sqlite:///umbel.db"})
    app.config.from_prefixed_env()  # FLASK_UMBEL_BROKER_URL=redis://…
    app.config.update(config)
    queue.init_app(app)

    @app.post("/uploads/<name>")
    def upload(name):
        folder = Path(app.config["UPLOADS"])
        folder.mkdir(parents=True, exist_ok=True)
        safe = Path(name).name
        (folder / safe).write_bytes(request.get_data())
        return jsonify(task=measure.delay(safe).id), 202

    @app.get("/tasks/<task_id>")
    def task(task_id):
        result = measure.AsyncResult(task_id)
        progress = result.progress
        if result.failed():
            return jsonify(state=result.state, error=str(result.result)), 500
        return jsonify(state=result.state, progress=progress and progress.fraction, result=result.result if result.successful() else None)

    @app.get("/")
    def page():
        return Response(PAGE, mimetype="text/html")

    return app


PAGE = """<!doctype html><title>Uploads</title><input type=file id=file><progress id=bar value=0 max=1></progress><pre id=out></pre>
<script>
document.getElementById("file").onchange = async event => {
  const file = event.target.files[0]
  const {task} = await (await fetch("/uploads/" + encodeURIComponent(file.name), {method: "POST", body: file})).json()
  for (;;) {
    const seen = await (await fetch("/tasks/" + task)).json()
    document.getElementById("bar").value = seen.progress ?? (seen.result ? 1 : 0)
    if (seen.result) { document.getElementById("out").textContent = JSON.stringify(seen.result); break }
    await new Promise(done => setTimeout(done, 300))
  }
}
</script>"""
