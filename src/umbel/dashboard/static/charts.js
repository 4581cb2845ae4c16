// The charts. Each looks at /series for its span, again and again while it is seen.
"use strict";
(() => {
  const root = document.documentElement.dataset.root || "";
  const kept = new Map(), step = { "1h": 10, "24h": 60, "30d": 900 };
  const color = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const soft = (name) => `color-mix(in srgb, ${color(name)} 14%, transparent)`;
  const per = (list, seconds) => list.map((value) => value / seconds);

  const short = (value) => value >= 1e6 ? `${+(value / 1e6).toPrecision(3)}M` : value >= 1e4 ? `${+(value / 1e3).toPrecision(3)}k` : `${+value.toPrecision(3)}`;
  const time = (value) => value === 0 ? "0" : value < .001 ? `${+(value * 1e6).toPrecision(3)} µs` : value < 1 ? `${+(value * 1e3).toPrecision(3)} ms` : value < 120 ? `${+value.toPrecision(3)} s` : `${+(value / 60).toPrecision(3)} min`;
  const clock = (instant, span) => { const at = new Date(instant * 1000); return span > 172800 ? at.toLocaleDateString(undefined, { day: "numeric", month: "short" }) : `${String(at.getHours()).padStart(2, "0")}:${String(at.getMinutes()).padStart(2, "0")}`; };
  // A young history is not shown as a long empty line: from its first point on, a sixth of the span at least.
  function young(slots, lines) {
    const first = slots.findIndex((_, place) => lines.some((line) => line[place]));
    const from = first < 0 ? 0 : Math.max(0, Math.min(first - 1, Math.floor(slots.length * 5 / 6)));
    return [slots, ...lines].map((line) => line.slice(from));
  }
  const kinds = {
    rate: { lines: (s, t) => [per(s.succeeded, t), per(s.failed, t)], looks: [["good", "succeeded"], ["bad", "failed"]], write: [short, short] },
    time: { lines: (s) => [s.p50, s.p95], looks: [["run", "half below"], ["warn", "95 % below"]], write: [time, time] },
    load: { lines: (s) => [s.utilization.map((v) => v === null ? null : v * 100), s.ready], looks: [["accent", "busy"], ["wait", "waiting"]], write: [(v) => `${Math.round(v)} %`, short], second: true },
  };

  function make(box, kind, data) {
    const axis = (write, extra = {}) => ({ stroke: color("faint"), font: "11px system-ui, sans-serif", grid: { stroke: color("line"), width: 1 }, ticks: { show: false }, size: 46, gap: 4, values: (_, all) => all.map((v) => v === null ? "" : write(v)), ...extra });
    const from = (least) => (_, low, high) => [0, Math.max(least, (high || 0) * 1.1)];
    const tip = document.createElement("div");
    tip.className = "tip"; tip.hidden = true;
    const options = {
      width: box.clientWidth, height: 168, cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } }, legend: { show: false }, padding: [8, kind.second ? 0 : 8, 0, 0],
      scales: { y: { range: from(kind.second ? 100 : kind === kinds.time ? .001 : 1) }, ...(kind.second ? { z: { range: from(5) } } : {}) },
      axes: [axis((v) => v, { grid: { show: false }, size: 24, space: 64, values: (plot, all) => all.map((v) => clock(v, plot.scales.x.max - plot.scales.x.min)) }), axis(kind.write[0]), ...(kind.second ? [axis(kind.write[1], { scale: "z", side: 1, grid: { show: false } })] : [])],
      series: [{}, ...kind.looks.map(([name], place) => ({ scale: kind.second && place ? "z" : "y", stroke: color(name), width: 1.7, fill: place && kind.second ? undefined : soft(name), points: { show: false }, spanGaps: true }))],
      hooks: { setCursor: [(plot) => {
        const place = plot.cursor.idx;
        if (place === null || place === undefined) { tip.hidden = true; return; }
        const when = new Date(plot.data[0][place] * 1000).toLocaleString(undefined, { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", second: "2-digit" });
        const lines = kind.looks.map(([, word], number) => { const v = plot.data[number + 1][place]; return `${word}: ${v === null || v === undefined ? "–" : kind.write[number](v)}`; });
        tip.textContent = [when, ...lines].join("\n");
        tip.hidden = false;
        const left = plot.cursor.left + plot.bbox.left / devicePixelRatio;
        tip.style.left = `${Math.min(left + 12, box.clientWidth - tip.offsetWidth)}px`; tip.style.top = "6px";
      }] },
    };
    const plot = new uPlot(options, data, box);
    plot.root.append(tip); plot.root.style.position = "relative";
    return plot;
  }

  async function look(force) {
    if (document.hidden && !force) return;
    const boxes = [...document.querySelectorAll(".chart[data-chart]")];
    const wanted = new Map(boxes.map((box) => [`${box.dataset.span} ${box.dataset.task || ""}`, box]));
    for (const [key, first] of wanted) {
      let found;
      try {
        const answer = await fetch(`${root}/series?span=${first.dataset.span}&task=${encodeURIComponent(first.dataset.task || "")}`);
        if (!answer.ok) continue;
        found = await answer.json();
      } catch { continue; }
      for (const box of boxes) {
        if (`${box.dataset.span} ${box.dataset.task || ""}` !== key) continue;
        const kind = kinds[box.dataset.chart], seconds = step[box.dataset.span];
        const data = young(found.slots, kind.lines(found, seconds));
        const plot = kept.get(box);
        if (plot && !force) plot.setData(data);
        else { plot?.destroy(); box.replaceChildren(); kept.set(box, make(box, kind, data)); }
      }
    }
  }

  addEventListener("resize", () => { for (const [box, plot] of kept) plot.setSize({ width: box.clientWidth, height: 168 }); });
  document.addEventListener("umbel:theme", () => look(true));
  document.addEventListener("visibilitychange", () => look(false));
  look(true);
  setInterval(() => look(false), 5000);
})();
