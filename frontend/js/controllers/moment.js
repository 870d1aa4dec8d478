// Relative times that stay true: "3 min ago". The server writes the same words; see web/moments.py.
import { Controller } from "@hotwired/stimulus";

const all = new Set();
setInterval(() => { if (!document.hidden) all.forEach((one) => one.draw()); }, 20_000);
document.addEventListener("visibilitychange", () => { if (!document.hidden) all.forEach((one) => one.draw()); });

export function span(seconds) {
  const s = Math.round(Math.abs(seconds));
  if (s < 60) return `${s} s`;
  if (s < 3600) return `${Math.floor(s / 60)} min`;
  if (s < 86400) { const m = Math.floor((s % 3600) / 60); return `${Math.floor(s / 3600)} h${m ? ` ${m} min` : ""}`; }
  const h = Math.floor((s % 86400) / 3600);
  return `${Math.floor(s / 86400)} d${h && s < 7 * 86400 ? ` ${h} h` : ""}`;
}

// the database's clock is the only clock: how far this machine's is off, as the page told
const told = Number(document.body.dataset.now);
const off = told ? told - Date.now() : 0;
export const now = () => Date.now() + off;

export default class extends Controller {
  static values = { at: String, style: String };
  connect() { all.add(this); this.draw(); }
  disconnect() { all.delete(this); }
  draw() {
    const seconds = (now() - new Date(this.element.getAttribute("datetime")).getTime()) / 1000;
    const text = this.styleValue === "elapsed" ? span(Math.max(0, seconds))
      : Math.abs(seconds) < 5 ? "now" : seconds > 0 ? `${span(seconds)} ago` : `in ${span(seconds)}`;
    const place = this.element.firstElementChild ?? this.element;
    if (place.textContent !== text) place.textContent = text;
  }
}
