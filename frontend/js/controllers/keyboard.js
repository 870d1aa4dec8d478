// Everything by keyboard: one letter, one thing. Letters never fire while somebody types.
import { Controller } from "@hotwired/stimulus";

export default class extends Controller {
  press(event) {
    if (event.defaultPrevented || event.isComposing) return;
    if ((event.ctrlKey || event.metaKey) && !event.altKey && event.key.toLowerCase() === "k") {
      event.preventDefault();
      return this.dispatch("palette", { target: window });
    }
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = event.target.closest?.("input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]");
    if (typing) {
      if (event.key === "Escape" && !document.querySelector("dialog[open]")) event.target.blur();
      return;
    }
    if (document.querySelector("dialog[open]")) return;
    const act = {
      "/": () => this.find(), "?": () => document.getElementById("keys")?.showModal(),
      j: () => this.move(1), k: () => this.move(-1), x: () => this.select(),
      a: () => this.click("a"), r: () => this.click("r"), e: () => this.click("e"), u: () => this.click("u"),
    }[event.key];
    if (act && act() !== false) event.preventDefault();
  }

  get rows() { return [...document.querySelectorAll("#main [data-row]")].filter((row) => row.offsetParent !== null); }
  get current() { return document.activeElement?.closest?.("[data-row]"); }

  move(by) {
    const rows = this.rows;
    if (!rows.length) return false;
    const at = rows.indexOf(this.current);
    const row = rows[Math.min(rows.length - 1, Math.max(0, at < 0 ? (by > 0 ? 0 : rows.length - 1) : at + by))];
    (row.querySelector(".row-link") ?? row).focus();
    row.scrollIntoView({ block: "nearest" });
  }

  select() {
    const box = this.current?.querySelector('[data-selection-target="row"]');
    if (!box) return false;
    box.click();
  }

  click(key) {
    const chosen = document.querySelector('[data-selection-target="row"]:checked');
    const row = this.current;
    if (!chosen && row) {
      const own = row.querySelector(`[data-key="${key}"]`);
      if (own) return own.click();
      const act = row.closest("[data-act]")?.dataset.act;
      const verb = { r: "resolve", e: "escalate", u: "note" }[key];
      if (act && verb && row.dataset.row) return this.sheet(row, act.replace("VERB", verb) + row.dataset.row);
      const box = row.querySelector('[data-selection-target="row"]');
      if (!box || !document.querySelector(`.bulk [data-key="${key}"]`)) return false;
      box.click();
    }
    const button = (chosen || row ? document.querySelector(`.bulk [data-key="${key}"]`) : null)
      ?? document.querySelector(`#main [data-key="${key}"]:not(.bulk *):not([data-row] *)`);
    if (!button || button.disabled) return false;
    if (button.matches("input, textarea, select")) button.focus();
    else button.click();
  }

  sheet(row, href) {
    const link = document.createElement("a");
    link.href = href;
    link.dataset.sheet = "";
    link.hidden = true;
    (row.querySelector("td:last-child") ?? row).append(link);
    link.click();
    link.remove();
  }

  find() {
    const field = document.querySelector('#main input[type="search"]');
    if (field) { field.focus(); field.select(); } else this.dispatch("palette", { target: window });
  }
}
