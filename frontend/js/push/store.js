// What this browser remembers for push, where pages and the service worker both find it (IndexedDB):
//   "browser"     {id, user, endpoint, auth, key}: the contact method that it is
//   "ack:<tag>"   an acknowledgement that has not reached the server yet
let opened = null;

function open() {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open("tocsin", 1);
    request.onupgradeneeded = () => request.result.createObjectStore("kept");
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => { opened = null; reject(request.error); };
  });
  return opened;
}

async function run(mode, work) {
  const database = await open();
  return new Promise((resolve, reject) => {
    const transaction = database.transaction("kept", mode);
    const request = work(transaction.objectStore("kept"));
    transaction.oncomplete = () => resolve(request.result);
    transaction.onerror = transaction.onabort = () => reject(transaction.error);
  });
}

export const recall = (name) => run("readonly", (store) => store.get(name));
export const keep = (name, value) => run("readwrite", (store) => store.put(value, name));
export const forget = (name) => run("readwrite", (store) => store.delete(name));
export const all = (prefix) => run("readonly", (store) => store.getAll(IDBKeyRange.bound(prefix, `${prefix}\uffff`)));
