// Moonlink.js.

import { CHANNEL, GUILD, USER, gateway, load, loaded, query, run, setting, trackEnded, until } from "./steps.mjs";

const { Manager } = load("moonlink.js");

const send = gateway((packet) => manager.packetUpdate(packet));
const nodes = setting.nodes.map(({ host, port, password }, number) => (
  { identifier: `node-${number}`, host, port, password, secure: false, retryDelay: 1000 }
));
const manager = new Manager({ nodes, options: {}, sendPayload: (_guild, payload) => send(payload) });
manager.on("trackEnd", trackEnded);
manager.on("nodeError", (node, error) => console.error(node.identifier, error));
let player;
const find = (identifier) => manager.search({ query: query(identifier), source: "youtube" });

await run({
  async connect() {
    manager.init(USER);
    const ready = () => [...manager.nodes.cache.values()].filter((node) => node.connected && node.version);
    await until(() => ready().length === nodes.length);
  },
  load: async (identifier) => loaded((await find(identifier)).loadType),
  async join() {
    player = manager.createPlayer({ guildId: GUILD, voiceChannelId: CHANNEL, textChannelId: CHANNEL, autoPlay: false });
    player.connect({ setDeaf: true });
  },
  async play(identifier) {
    player.queue.add((await find(identifier)).tracks[0]);
    await (player.current ? player.skip() : player.play());
  },
  pause: async (paused) => void (await (paused ? player.pause() : player.resume())),
  seek: async (milliseconds) => void (await player.seek(milliseconds)),
  volume: async (percent) => void (await player.setVolume(percent)),
  filters: async () => void player.filters.setTimescale({ speed: 2 }),
  move: async () => "has no call for it",
});
