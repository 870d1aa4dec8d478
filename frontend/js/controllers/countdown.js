// Counts down to a moment: <time data-controller="countdown" datetime="...">. Screen readers get the server's words.
import { Controller } from "@hotwired/stimulus";
import { now } from "../moment.js";

export default class extends Controller {
  connect() { this.timer = setInterval(() => this.draw(), 1000); this.draw(); }
  disconnect() { clearInterval(this.timer); }
  draw() {
    const left = Math.round((new Date(this.element.getAttribute("datetime")).getTime() - now()) / 1000);
    const two = (n) => String(n).padStart(2, "0");
    const text = left <= 0 ? "now" : left < 3600 ? `${Math.floor(left / 60)}:${two(left % 60)}`
      : `${Math.floor(left / 3600)}:${two(Math.floor((left % 3600) / 60))}:${two(left % 60)}`;
    if (this.element.textContent !== text) this.element.textContent = text;
  }
}
