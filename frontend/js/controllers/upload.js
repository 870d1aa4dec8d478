// A file that is too large to be sent is refused before it is: <input type="file" data-controller="upload"
// data-upload-most-value="15" data-action="change->upload#check">, in MiB. The server refuses it too.
import { Controller } from "@hotwired/stimulus";

export default class extends Controller {
  static values = { most: Number };

  check() {
    const [file] = this.element.files;
    const large = file && file.size > this.mostValue * 1024 * 1024;
    this.element.setCustomValidity(large
      ? `This file has ${Math.ceil(file.size / 1048576)} MiB, a page takes ${this.mostValue}. Pack it with gzip, or use tocsin import csv.` : "");
    this.element.reportValidity();
  }
}
