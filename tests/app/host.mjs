// A host as its library means it: one sandboxed frame, and the official bridge between the frame and the test.
import { AppBridge, PostMessageTransport } from "@modelcontextprotocol/ext-apps/app-bridge";

window.show = async ({ html, capabilities, context }) => {
  const frame = document.createElement("iframe");
  frame.title = "kaiming-mcp";
  frame.setAttribute("sandbox", "allow-scripts");
  document.body.append(frame);
  const bridge = new AppBridge(null, { name: "test host", version: "1.0.0" }, capabilities, { hostContext: context });
  bridge.oncalltool = (params) => window.callTool(params);
  bridge.onmessage = async (params) => (await window.told("message", params), {});
  bridge.onupdatemodelcontext = async (params) => (await window.told("context", params), {});
  let mode = "inline";
  bridge.onrequestdisplaymode = async (params) => {
    if (context.availableDisplayModes?.includes(params.mode)) mode = params.mode;
    frame.style.cssText = mode === "fullscreen" ? "position: fixed; inset: 0; width: 100vw; height: 100vh" : "";
    return { mode };
  };
  bridge.onsizechange = ({ height }) => {
    if (height && mode === "inline") frame.style.height = `${height}px`;
  };
  const ready = new Promise((resolve) => {
    bridge.oninitialized = resolve;
  });
  window.bridge = bridge;
  await bridge.connect(new PostMessageTransport(frame.contentWindow, frame.contentWindow));
  frame.srcdoc = html;
  await ready;
};
