// One side of a conversation, in JavaScript: `node node_side.js client|worker celery-node|celery-ts BROKER BACKEND QUEUE`.
// A client reads [[task, args], …] (JSON) from standard input and prints one line per result; a worker prints "ready".
"use strict";
const [role, library, broker, backend, queue] = process.argv.slice(2);
const celery = require(require.resolve(library, { paths: [process.env.NODE_HOME] }));

async function answers(results) {
  for (const result of results) {
    try {
      console.log(JSON.stringify({ value: await result.get(10000) }));
    } catch (error) {
      console.log(JSON.stringify({ error: String(error.message || error) }));
    }
  }
}

async function results(calls) {
  if (library === "celery-node") {
    const client = celery.createClient(broker, backend, queue);
    if (process.env.PROTOCOL) client.conf.TASK_PROTOCOL = Number(process.env.PROTOCOL);
    return calls.map(([task, args]) => client.createTask(task).applyAsync(args));
  }
  const client = celery.createClient({ brokerUrl: broker, resultBackend: backend });
  // Before its subscription stands, celery-ts misses results, and nothing else tells it of failures.
  await client.backend.subscriber;
  return calls.map(([task, args]) => client.createTask(task).applyAsync({ args, kwargs: {}, queue }));
}

async function work() {
  const worker = celery.createWorker(broker, backend, queue);
  worker.register("add", (a, b) => a + b);
  worker.register("fail", () => { throw new Error("no"); });
  await worker.isReady();
  console.log("ready");
  await worker.start();
}

if (role === "worker") work();
else results(JSON.parse(require("fs").readFileSync(0, "utf8"))).then(answers).then(() => process.exit(0));
