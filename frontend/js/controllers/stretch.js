// The final line of a schedule: pull over a stretch with the mouse to change who is on call then. A finger and the
// keyboard choose a shift instead (every bar is a link), because a finger pulls the timeline along.
import { Controller } from "@hotwired/stimulus";

const STEP = 15 * 60000; // a stretch begins and ends at quarters of an hour
const LEAST = 6; // pixels: less is a click

export default class extends Controller {
  static values = { from: String, to: String, href: String };

  connect() {
    this.track = this.element.querySelector(".tl-track");
    this.from = Date.parse(this.fromValue);
    this.to = Date.parse(this.toValue);
  }

  at(x) {
    const box = this.track.getBoundingClientRect();
    const part = Math.min(Math.max((x - box.left) / box.width, 0), 1);
    return Math.round((this.from + part * (this.to - this.from)) / STEP) * STEP;
  }
  place(moment) { return (100 * (moment - this.from)) / (this.to - this.from); }

  begin(event) {
    if (event.button || event.pointerType === "touch") return;
    this.start = event.clientX;
    this.moved = false;
    event.preventDefault(); // no selecting of text, no dragging of links
  }
  pull(event) {
    if (this.start === undefined) return;
    if (!this.moved && Math.abs(event.clientX - this.start) < LEAST) return;
    if (!this.moved) {
      this.moved = true;
      this.track.setPointerCapture?.(event.pointerId);
      this.mark = document.createElementNS("http://www.w3.org/2000/svg", "rect");
      this.mark.setAttribute("class", "tl-pulled");
      this.mark.setAttribute("y", "2");
      this.mark.setAttribute("height", "32");
      this.track.append(this.mark);
    }
    [this.low, this.high] = [this.at(this.start), this.at(event.clientX)].sort((a, b) => a - b);
    this.mark.setAttribute("x", `${this.place(this.low)}%`);
    this.mark.setAttribute("width", `${Math.max(this.place(this.high) - this.place(this.low), 0.1)}%`);
  }
  end() {
    const pulled = this.moved && this.high > this.low;
    this.drop();
    if (!pulled) return;
    this.ignore = true; // the click that follows belongs to the pull
    setTimeout(() => { this.ignore = false; }, 50);
    const link = document.createElement("a");
    const asked = new URLSearchParams({ start: new Date(this.low).toISOString(), end: new Date(this.high).toISOString() });
    link.href = `${this.hrefValue}?${asked}`;
    link.dataset.sheet = "";
    link.hidden = true;
    this.element.append(link);
    link.click();
    link.remove();
  }
  drop() {
    this.mark?.remove();
    this.mark = undefined;
    this.start = undefined;
    this.moved = false;
  }
  click(event) {
    if (!this.ignore) return;
    event.preventDefault();
    event.stopPropagation();
  }
}
