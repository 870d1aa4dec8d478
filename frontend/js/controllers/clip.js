// A button that copies: <button data-controller="clip" data-action="clip#copy" data-clip-text-value="...">
import { Controller } from "@hotwired/stimulus";
import { toast } from "../announce.js";

export default class extends Controller {
  static values = { text: String };
  async copy() {
    try {
      await navigator.clipboard.writeText(this.textValue);
      toast("Copied.");
    } catch {
      toast("This browser does not let pages copy; select the text instead.");
    }
  }
}
