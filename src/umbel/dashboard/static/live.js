// Keeps an open page as the server would render it now: one stream of what has changed, and the page's own address fetched again.
"use strict";
(() => {
  const root = document.documentElement.dataset.root || "";
  const pulse = document.getElementById("pulse");
  let source = null, held = false, busy = false, again = false, failures = 0;

  const topics = () => (document.getElementById("main").dataset.topics || "").split(" ").filter(Boolean);

  function show(state, word) {
    pulse.className = `pulse ${state}`;
    pulse.lastElementChild.textContent = word;
  }

  // What a person is doing must not be taken away: open sheets, the field that is being filled, ticks.
  const callbacks = {
    beforeNodeMorphed(old) {
      return !(old.nodeType === 1 && (old.classList.contains("chart") || old.matches("details.ask[open]") || old === document.activeElement && old.matches("input, textarea, select")));
    },
    beforeAttributeUpdated(name, node) {
      if (name === "open" && node.tagName === "DETAILS") return false;
      if ((name === "checked" || name === "value") && node.tagName === "INPUT") return false;
      if (name === "disabled" && node.matches("[data-needs-choice]")) return false;
      return !(name === "class" && node.tagName === "TR");
    },
    beforeNodeRemoved(node) { return !(node.nodeType === 1 && node.matches("[data-note], details.ask[open]")); },
  };

  async function refresh() {
    if (busy) { again = true; return; }
    busy = true;
    try {
      const answer = await fetch(location.href, { headers: { accept: "text/html", "x-umbel-live": "1" }, redirect: "manual", cache: "no-store" });
      if (answer.type === "opaqueredirect" || answer.status === 401) { location.reload(); return; }
      const found = new DOMParser().parseFromString(await answer.text(), "text/html");
      const main = found.getElementById("main"), menu = found.getElementById("menu");
      const chosen = [...document.querySelectorAll("input[name=id]:checked")].map((each) => each.value);
      if (main) Idiomorph.morph(document.getElementById("main"), main, { callbacks });
      if (menu) for (const link of document.querySelectorAll("#menu > a")) {
        const fresh = menu.querySelector(`a[data-key="${link.dataset.key}"]`);
        if (fresh && fresh.innerHTML !== link.innerHTML) link.replaceChildren(...fresh.childNodes);
      }
      for (const each of document.querySelectorAll("input[name=id]")) each.checked = chosen.includes(each.value);
      tell();
      document.dispatchEvent(new Event("umbel:shown"));
    } catch { /* the stream says whether the server is there */ } finally {
      busy = false;
      if (again) { again = false; setTimeout(refresh, 300); }
    }
  }

  function open() {
    if (source || held || document.hidden) return;
    source = new EventSource(`${root}/stream`);
    source.onopen = () => { if (failures) refresh(); failures = 0; show("on", "Live"); };
    source.addEventListener("changed", (event) => {
      const changed = event.data.split(" ");
      if (topics().some((each) => changed.includes(each))) refresh();
    });
    source.onerror = () => { failures += 1; show("", "Connecting …"); if (source && source.readyState === 2) { close(); setTimeout(open, 5000); } };
  }
  function close() { if (source) { source.close(); source = null; } }

  document.addEventListener("visibilitychange", () => { if (document.hidden) close(); else if (!held) { refresh(); open(); } });
  document.addEventListener("umbel:hold", () => {
    held = !held;
    if (held) { close(); show("held", "Held still"); } else { refresh(); open(); }
  });

  // Times by how long ago they are.
  const words = new Intl.RelativeTimeFormat("en", { style: "narrow", numeric: "always" });
  function tell() {
    const now = Date.now() / 1000;
    for (const node of document.querySelectorAll("time[data-at]")) {
      const away = Number(node.dataset.at) - now, size = Math.abs(away);
      const [value, unit] = size < 60 ? [away, "second"] : size < 3600 ? [away / 60, "minute"] : size < 86400 ? [away / 3600, "hour"] : [away / 86400, "day"];
      const text = size < 1 ? "now" : words.format(Math.trunc(value), unit);
      if (node.textContent !== text) node.textContent = text;
    }
  }
  tell();
  setInterval(() => { if (!document.hidden) tell(); }, 1000);
  setTimeout(() => { for (const each of document.querySelectorAll("[data-note]")) each.remove(); }, 8000);
  open();
})();
