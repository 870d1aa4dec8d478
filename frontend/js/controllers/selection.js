// Rows of a list that are selected for a bulk action. While there are any, live changes wait.
import { Controller } from "@hotwired/stimulus";

export default class extends Controller {
  static targets = ["row", "all", "bar", "count"];
  connect() { this.update(); }
  rowTargetConnected() { this.update(); }
  toggleAll() {
    this.rowTargets.forEach((box) => { box.checked = this.allTarget.checked; });
    this.update();
  }
  clear() {
    this.rowTargets.forEach((box) => { box.checked = false; });
    this.update();
  }
  range(event) { // shift-click selects everything between
    const boxes = this.rowTargets;
    const index = boxes.indexOf(event.target);
    if (index < 0) return;
    if (event.shiftKey && this.lastIndex >= 0) {
      const [from, to] = [Math.min(index, this.lastIndex), Math.max(index, this.lastIndex)];
      for (let i = from; i <= to; i++) boxes[i].checked = event.target.checked;
    }
    this.lastIndex = index;
    this.update();
  }
  update() {
    const chosen = this.rowTargets.filter((box) => box.checked).length;
    if (this.hasAllTarget) {
      this.allTarget.checked = chosen > 0 && chosen === this.rowTargets.length;
      this.allTarget.indeterminate = chosen > 0 && chosen < this.rowTargets.length;
    }
    if (this.hasBarTarget) this.barTarget.classList.toggle("on", chosen > 0);
    this.countTargets.forEach((place) => { place.textContent = `${chosen} selected`; });
    if (!chosen && this.before) this.dispatch("cleared", { prefix: "selection" });
    if (!chosen && this.before) this.rowTargets[0]?.closest("[data-controller~=live]")?.dispatchEvent(new Event("selection:cleared"));
    this.before = chosen;
  }
}
