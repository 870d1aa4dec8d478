// A filter form sends itself when something in it changes; filters live in the address.
import { Controller } from "@hotwired/stimulus";

export default class extends Controller {
  changed() { clearTimeout(this.timer); this.timer = setTimeout(() => this.send(), 10); }
  typed() { clearTimeout(this.timer); this.timer = setTimeout(() => this.send(), 350); }
  send() { if (this.element.isConnected) this.element.requestSubmit(); }
}
