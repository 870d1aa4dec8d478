// A part of the page that follows what happens: on a change it fetches the page again and takes its own part of it.
//   <section id="rows" data-controller="live" data-live-kinds-value="incident alert" data-live-id-value="12"
//            data-live-hold-value="true">
// kinds: which changes concern it; id: only this thing's (0: all); hold: a list, never moved under the pointer, nor
// while rows are selected: a button offers the change instead. Times are in milliseconds.
import { Controller } from "@hotwired/stimulus";
import htmx from "../htmx.js";
import { announce } from "../announce.js";
import { subscribe } from "../stream.js";

const GATHER = 250; // changes that come together are fetched together
const REST = 1500; // and never more often than this

export default class extends Controller {
  static values = { kinds: String, id: Number, hold: Boolean, url: String, say: String };

  connect() {
    this.pending = 0;
    this.last = 0;
    this.unsubscribe = subscribe((change) => this.heard(change));
    this.wake = () => { if (this.pending || this.unsure) this.schedule(); };
    document.addEventListener("visibilitychange", this.wake);
    this.element.addEventListener("pointerleave", this.wake);
    this.element.addEventListener("selection:cleared", this.wake);
  }

  disconnect() {
    this.unsubscribe();
    clearTimeout(this.timer);
    document.removeEventListener("visibilitychange", this.wake);
    this.element.removeEventListener("pointerleave", this.wake);
    this.element.removeEventListener("selection:cleared", this.wake);
    this.notice?.remove();
  }

  heard({ kind, id }) {
    const concerned = kind === "*" || this.kindsValue.split(" ").includes(kind);
    const mine = kind === "*" || id === 0 || !this.idValue || id === this.idValue || kind !== "incident";
    if (!concerned || !mine) return;
    if (kind === "*") this.unsure = true; // something may have changed: look, but do not say that it has
    else this.pending += 1;
    this.schedule();
  }

  schedule() {
    if (document.hidden) return;
    if (this.frozen) return this.offer();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.refresh(), Math.max(GATHER, this.last + REST - Date.now()));
  }

  get frozen() {
    const region = this.element;
    if (region.querySelector('[data-selection-target="row"]:checked')) return true;
    if (region.querySelector("dialog[open], :popover-open")) return true;
    const focused = document.activeElement;
    if (region.contains(focused) && focused.matches("textarea, select, input:not([type=checkbox])")) return true;
    return this.holdValue && region.matches(":hover") && matchMedia("(hover: hover)").matches;
  }

  offer() {
    if (!this.notice?.isConnected) {
      this.notice = document.createElement("button");
      this.notice.type = "button";
      this.notice.className = "btn btn-sm btn-primary held";
      this.notice.addEventListener("click", () => this.refresh());
      this.element.before(this.notice);
    }
    const text = !this.pending ? "There may be changes. Look again" : this.pending === 1 ? "1 change. Show it" : `${this.pending} changes. Show them`;
    if (this.notice.textContent !== text) this.notice.textContent = text;
  }

  async refresh() {
    clearTimeout(this.timer);
    const changed = this.pending > 0;
    this.pending = 0;
    this.unsure = false;
    this.last = Date.now();
    this.notice?.remove();
    this.notice = null;
    const region = this.element;
    await htmx.ajax("GET", this.urlValue || location.pathname + location.search, {
      target: region, select: `#${region.id}`, swap: "outerMorph", source: region, headers: { "X-Part": region.id },
    });
    if (changed && this.sayValue) announce(this.sayValue);
  }
}
