// The search of the site runs in a worker, and browsers refuse a worker whose script is a file. So where the site is read from
// a folder, a hidden frame takes the worker's place: it runs the same script, and messages go to and fro as they would.
if (location.protocol === "file:") {
  window.Worker = class extends EventTarget {
    constructor(url) {
      super()
      const frame = document.createElement("iframe")
      frame.hidden = true
      document.body.appendChild(frame)
      this.inside = frame.contentWindow
      this.inside.postMessage = data => this.dispatchEvent(new MessageEvent("message", { data }))
      this.inside.importScripts = () => {}
      this.loaded = new Promise(done => {
        const script = frame.contentDocument.createElement("script")
        script.onload = done
        script.src = url
        frame.contentDocument.head.appendChild(script)
      })
    }

    postMessage(data) {
      this.loaded.then(() => this.inside.dispatchEvent(new this.inside.MessageEvent("message", { data })))
    }

    terminate() {
      this.inside.frameElement.remove()
    }
  }
}
