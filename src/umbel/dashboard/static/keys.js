// The keyboard, the theme, and small things that forms do.
"use strict";
(() => {
  const html = document.documentElement, root = html.dataset.root || "";
  const typing = (node) => node.closest("input:not([type=checkbox]), textarea, select, [contenteditable]");
  let began = 0, at = -1;

  function theme() {
    const dark = html.dataset.theme ? html.dataset.theme === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
    html.dataset.theme = dark ? "light" : "dark";
    try { localStorage.setItem("umbel-theme", html.dataset.theme); } catch { /* it holds for this page */ }
    document.dispatchEvent(new Event("umbel:theme"));
  }
  function help() { const dialog = document.getElementById("help"); if (dialog.open) dialog.close(); else dialog.showModal(); }

  function move(step) {
    const rows = [...document.querySelectorAll("tr[data-href]")];
    if (!rows.length) return;
    rows[at]?.classList.remove("at");
    at = Math.max(0, Math.min(rows.length - 1, at + step));
    rows[at].classList.add("at");
    rows[at].scrollIntoView({ block: "nearest" });
  }

  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { for (const each of document.querySelectorAll("details.ask[open]")) { each.open = false; each.querySelector("summary").focus(); } return; }
    if (typing(event.target) || document.querySelector("dialog[open]") && event.key !== "?") return;
    if (Date.now() - began < 1200) {
      began = 0;
      const link = document.querySelector(`#menu a[data-key="${CSS.escape(event.key)}"]`);
      if (link) { event.preventDefault(); link.click(); }
      return;
    }
    const row = document.querySelector("tr.at");
    switch (event.key) {
      case "g": began = Date.now(); break;
      case "/": { const field = document.querySelector("input[type=search]"); event.preventDefault(); if (field) { field.focus(); field.select(); } else location.href = `${root}/tasks`; break; }
      case "j": move(1); break;
      case "k": move(-1); break;
      case "Enter": if (row && event.target === document.body) location.href = row.dataset.href; break;
      case "p": document.dispatchEvent(new Event("umbel:hold")); break;
      case ".": theme(); break;
      case "?": help(); break;
      default: return;
    }
  });

  document.addEventListener("click", (event) => {
    const target = event.target;
    if (target.closest("[data-theme-button]")) theme();
    else if (target.closest("[data-help]")) help();
    else if (target.closest("[data-menu]")) {
      const is = document.getElementById("side").classList.toggle("open");
      target.closest("[data-menu]").setAttribute("aria-expanded", String(is));
    } else if (target.closest("#pulse")) document.dispatchEvent(new Event("umbel:hold"));
    else if (target.closest("[data-copy]")) {
      const node = target.closest("[data-copy]");
      navigator.clipboard?.writeText(node.textContent).then(() => { node.classList.add("copied"); setTimeout(() => node.classList.remove("copied"), 900); });
    } else {
      const row = target.closest("tr[data-href]");
      if (row && !target.closest("a, button, input, form, details, label, summary") && !String(getSelection())) location.href = row.dataset.href;
    }
    for (const each of document.querySelectorAll("details.ask[open]")) if (!each.contains(target)) each.open = false;
  });

  document.addEventListener("toggle", (event) => {
    if (event.target.matches("details.ask[open]")) event.target.querySelector("form input:not([type=hidden]), form select, form button")?.focus();
  }, true);

  function count() {
    for (const form of document.querySelectorAll("form[data-chosen]")) {
      // form.id is an input of that name here.
      const chosen = document.querySelectorAll(`input[name=id][form="${CSS.escape(form.getAttribute("id"))}"]:checked`).length;
      const said = form.querySelector("[data-chosen-count]");
      if (said) said.textContent = chosen ? `${chosen} chosen` : "None chosen";
      for (const button of form.querySelectorAll("[data-needs-choice]")) button.disabled = !chosen;
    }
  }
  document.addEventListener("change", (event) => {
    const target = event.target;
    if (target.matches("[data-all]")) for (const each of document.querySelectorAll("input[name=id]:not(:disabled)")) each.checked = target.checked;
    if (target.matches("[data-submit]")) target.form.requestSubmit();
    count();
  });
  document.addEventListener("umbel:shown", count);

  document.addEventListener("input", (event) => {
    const target = event.target;
    if (target.matches("[data-filter]")) {
      const word = target.value.toLowerCase();
      for (const row of document.querySelectorAll(`${target.dataset.filter} tbody tr`)) row.hidden = !row.textContent.toLowerCase().includes(word);
    } else if (target.matches("[data-typed]")) target.form.querySelector(".sheet-foot button").disabled = target.value !== target.dataset.typed;
    else if (target.matches("[data-signature]")) {
      const option = [...document.querySelectorAll("#tasks option")].find((each) => each.value === target.value);
      document.querySelector("[data-signature-of]").textContent = option ? option.dataset.of : "";
    }
  });
})();
