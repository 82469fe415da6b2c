/**
 * A stand-in for the server, for work on the client alone: invented people, queues and calls.
 * It decides nothing as the engine does; tests use the real daemon.
 *
 *   npm run mock              serves ctid/web/ and the API on http://127.0.0.1:5199
 *   logins                    agent, supervisor, admin, viewer (any password but "wrong")
 *   POST /dev/scene/NAME      logged_out idle ringing talking wrap_up paused unreachable: the agent's state
 *   POST /dev/drop            ends all event streams
 *   PORT=0                    takes any free port
 */
import { createReadStream, existsSync, statSync } from 'node:fs'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { fileURLToPath } from 'node:url'
import { calls } from './calls.mjs'
import { customerBase } from './customers.mjs'
import { desk } from './desk.mjs'
import { page, Refusal, router } from './routes.mjs'
import { mayOf, system } from './system.mjs'

const PORT = Number(process.env.PORT ?? 5199)
const ROOT = fileURLToPath(new URL('../../ctid/web/', import.meta.url))
const CSP =
  "default-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; object-src 'none'; base-uri 'none'; frame-ancestors 'none'"
const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml' }

const iso = (secondsAgo = 0) => new Date(Date.now() - secondsAgo * 1000).toISOString()
let seed = 7
const random = () => ((seed = (seed * 1103515245 + 12345) % 2147483648) / 2147483648)
const pick = (list) => list[Math.floor(random() * list.length)]

// --- the world ---------------------------------------------------------------------------------

const QUEUES = [
  ['hotline', '新闻热线', 20],
  ['subscriptions', '订阅与投递', 30],
  ['advertising', '广告业务', 20],
  ['studio', '直播间 Studio line', 10],
]
const NAMES = [
  '李晓雯', '王志强', '陈静', '刘洋', '赵敏', '孙浩然', 'Emma Wilson', '周婷', '吴磊', '郑凯文',
  '冯雨桐', '何俊杰', '欧阳娜娜', '马天宇',
]
const STATES = [
  'logged_out', 'talking', 'talking', 'idle', 'wrap_up', 'talking', 'idle', 'paused', 'talking',
  'ringing', 'idle', 'paused', 'talking', 'logged_out',
]
const CALLERS = [
  ['+8613800138000', ''], ['+8613911112222', '张先生'], ['+861085123456', ''], ['+8618612345678', ''],
  ['+862152345678', '申报社'], ['+8615900001111', ''], ['', ''], ['+447911123456', 'J. Carter'],
  ['+8613588887777', ''], ['+8613700009999', ''],
]

const agents = new Map()
NAMES.forEach((name, index) => {
  const id = String(1001 + index)
  const state = STATES[index]
  agents.set(id, {
    id, name,
    status: state === 'paused' || state === 'logged_out' ? state : 'available',
    reason: state === 'paused' ? pick(['lunch', 'training']) : '',
    state: state === 'logged_out' ? '' : state === 'paused' ? 'idle' : state,
    phone: id, phone_reachable: index !== 10,
    since: iso(20 + random() * 500),
    interaction: null,
    queues: index === 0 ? ['hotline', 'subscriptions', 'advertising'] : [QUEUES[index % 4][0]],
    teams: [index % 2 === 0 ? '早班' : '晚班'],
    wrap_up_until: state === 'wrap_up' ? iso(-20) : null,
    calls_handled: Math.floor(random() * 30),
    disposition_due: null, held: [],
  })
})

const queues = new Map(
  QUEUES.map(([id, name, service_level_s], index) => [
    id,
    {
      id, name, strategy: ['longest_idle', 'round_robin', 'best_skill', 'ring_all'][index],
      waiting: 0, talking: 0, longest_wait_since: null,
      agents_available: [3, 1, 0, 2][index], agents_logged_in: [6, 4, 3, 5][index],
      entered: [212, 96, 41, 0][index], answered: [196, 71, 22, 0][index],
      abandoned: [9, 18, 15, 0][index], service_level: [0.91, 0.74, 0.48, null][index],
      service_level_s, average_speed_of_answer_s: [7.4, 22.8, 61.2, null][index],
      ewt_s: [8, 30, 95, null][index],
    },
  ]),
)

const interactions = new Map()
let counter = 0
function arrive(queue, state, agent, age) {
  const [number, name] = CALLERS[counter % CALLERS.length]
  const id = `mock-${++counter}`
  const view = {
    id, channel: 'voice', state, caller: { number, name }, did: '+861085991000',
    queue, position: null, priority: 0, arrived_at: iso(age), queued_at: iso(age - 1),
    answered_at: state === 'talking' ? iso(age - 9) : null, ended_at: null,
    agent: state === 'talking' ? agent : null,
    ringing_agents: state === 'offering' ? [agent] : [], offer: state === 'offering' ? `${id}.o1` : null,
    customer: null, customer_name: pick(['', '', '林女士', '北京晨星广告有限公司']),
    recording: state === 'talking', outcome: null,
  }
  interactions.set(id, view)
  if (agent) agents.get(agent).interaction = id
  return view
}
for (const agent of agents.values()) {
  if (agent.state === 'talking') arrive(agent.queues[0], 'talking', agent.id, 60 + random() * 300)
  if (agent.state === 'ringing') arrive(agent.queues[0], 'offering', agent.id, 14)
}
;[['hotline', 12], ['subscriptions', 48], ['subscriptions', 17], ['advertising', 95]].forEach(([q, age]) =>
  arrive(q, 'waiting', null, age),
)
function count() {
  for (const queue of queues.values()) {
    const mine = [...interactions.values()].filter((i) => i.queue === queue.id)
    const waiting = mine.filter((i) => i.state === 'waiting').sort((a, b) => (a.queued_at < b.queued_at ? -1 : 1))
    waiting.forEach((item, index) => (item.position = index + 1))
    queue.waiting = waiting.length
    queue.talking = mine.filter((i) => i.state === 'talking').length
    queue.longest_wait_since = waiting[0]?.queued_at ?? null
  }
}
count()

const CUSTOMER = {
  id: '42', name: '林思远', kind: 'person', title: '女士', roles: ['subscriber', 'tipster'],
  tags: ['老订户', '朝阳区'], vip: true, blocked: false, known: true, reason: 'number', chosen: true,
}
const CANDIDATES = [
  CUSTOMER,
  { ...CUSTOMER, id: '43', name: '林建国', title: '', vip: false, chosen: false },
]
const DISPOSITIONS = ['tip', 'delivery', 'renewal', 'complaint', 'other', '']
const records = Array.from({ length: 73 }, (_, index) => {
  const [number, name] = CALLERS[index % CALLERS.length]
  const outcome = index % 7 === 3 ? 'abandoned' : index % 11 === 5 ? 'timed_out' : 'answered'
  const answered = outcome === 'answered'
  const age = 300 + index * 1900
  const talk = answered ? 25 + Math.floor(random() * 400) : null
  const agent = answered ? (index % 3 === 0 ? '1001' : String(1002 + (index % 12))) : null
  return {
    id: String(900 - index), interaction: `old-${900 - index}`, channel: 'voice', direction: 'in',
    caller: { number, name }, did: '+861085991000', queue: QUEUES[index % 3][0], agent,
    agent_name: agent === null ? '' : agents.get(agent).name, outcome, disposition: answered ? DISPOSITIONS[index % 6] || null : null,
    notes: index % 4 === 0 && answered ? '读者反映今日报纸未送达，已登记补投。' : '',
    arrived_at: iso(age), answered_at: answered ? iso(age - 11) : null, ended_at: iso(age - 11 - (talk ?? 20)),
    queued_at: iso(age - 1), wait_s: 4 + Math.floor(random() * 40), talk_s: talk ?? 0, wrap_up_s: 12,
    recording: answered && index !== 4 ? `rec-${900 - index}` : null,
    recordings: answered
      ? [{ id: `rec-${900 - index}`, state: index === 4 ? 'pending' : 'ready', duration_s: talk, reason: '' }]
      : [],
    customer: index % 2 ? null : '42', customer_name: index % 2 ? '' : '林思远',
    offers: answered
      ? [
          ...(index % 5 === 0 ? [{ offer: 'o1', agent: '1004', outcome: 'ring_timeout', agent_name: agents.get('1004').name, at: iso(age), ring_s: 15 }] : []),
          { offer: 'o2', agent, outcome: 'answered', agent_name: agents.get(agent).name, at: iso(age - 15), ring_s: 4 },
        ]
      : [],
  }
})

const CONFIG = {
  pause_reasons: [
    { code: 'lunch', name: 'Lunch', name_zh: '用餐', offered: true },
    { code: 'break', name: 'Short break', name_zh: '休息', offered: true },
    { code: 'training', name: 'Training', name_zh: '培训', offered: true },
    { code: 'meeting', name: 'Meeting', name_zh: '会议', offered: true },
  ],
  dispositions: [
    ['tip', 'News tip', '新闻线索'], ['delivery', 'Delivery problem', '投递问题'],
    ['renewal', 'Subscription renewal', '续订'], ['complaint', 'Complaint', '投诉'],
    ['advert', 'Advertising enquiry', '广告咨询'], ['callback', 'Call back later', '需回访'],
    ['other', 'Other', '其他'],
  ].map(([code, name, name_zh]) => ({ code, name, name_zh, offered: true, queues: [], needs_notes: code === 'complaint' })),
  phones: ['1001', '1002', '1003', '2001', '2002'],
}
const USERS = {
  agent: { username: 'agent', display_name: '李晓雯', role: 'agent', agent: '1001', teams: ['早班'], language: '' },
  supervisor: { username: 'supervisor', display_name: '赵敏', role: 'supervisor', agent: null, teams: ['早班', '晚班'], language: '' },
  admin: { username: 'admin', display_name: 'Admin', role: 'admin', agent: null, teams: [], language: '' },
  viewer: { username: 'viewer', display_name: '值班编辑', role: 'viewer', agent: null, teams: ['早班'], language: '' },
}

// --- events ------------------------------------------------------------------------------------

const BOOT = Date.now().toString(16)
const streams = new Set()
const ring = []
let sequence = 0
function publish(event, data, agent = null) {
  const frame = { n: ++sequence, agent, text: `event: ${event}\ndata: ${JSON.stringify(data)}\n\n` }
  ring.push(frame)
  if (ring.length > 2000) ring.shift()
  for (const stream of streams) send(stream, frame)
}
function send(stream, frame) {
  if (frame.agent === null || frame.agent === stream.user.agent) {
    stream.response.write(`id: ${BOOT}-${frame.n}\n${frame.text}`)
  }
}
function publishAll() {
  count()
  for (const queue of queues.values()) publish('queue', queue)
}

// --- the agent's scenes --------------------------------------------------------------------------

const ME = agents.get('1001')
let mine = null
function setMe(changes) {
  Object.assign(ME, changes, { since: iso() })
  publish('agent', ME)
}
function end(view) {
  Object.assign(view, { state: 'ended', ended_at: iso(), outcome: 'answered' })
  interactions.delete(view.id)
  publish('interaction', view)
  if (view === mine) mine = null
}
function endMine() {
  if (mine !== null) end(mine)
}
const popOf = (view) => ({
  interaction: view.id, offer: view.offer, queue: view.queue,
  caller: { ...view.caller, location: '北京', kind: 'mobile' }, did: view.did, arrived_at: view.arrived_at,
  customer: CUSTOMER, candidates: CANDIDATES, history: records.filter((r) => r.customer === '42').slice(0, 5), at: iso(),
})
const scenes = {
  logged_out() {
    endMine()
    setMe({ status: 'logged_out', state: '', reason: '', interaction: null, wrap_up_until: null, disposition_due: null })
  },
  idle() {
    endMine()
    setMe({ status: 'available', state: 'idle', reason: '', interaction: null, wrap_up_until: null, disposition_due: null, phone_reachable: true })
  },
  paused() {
    scenes.idle()
    setMe({ status: 'paused', reason: 'lunch' })
  },
  unreachable() {
    scenes.idle()
    setMe({ phone_reachable: false })
  },
  ringing() {
    scenes.idle()
    counter = counter - (counter % CALLERS.length)
    mine = arrive('subscriptions', 'offering', '1001', 23)
    publish('pop', popOf(mine), '1001')
    publish('interaction', mine)
    setMe({ state: 'ringing', interaction: mine.id })
  },
  talking() {
    if (mine === null || mine.state !== 'offering') scenes.ringing()
    Object.assign(mine, { state: 'talking', answered_at: iso(), agent: '1001', ringing_agents: [], recording: true })
    publish('pop_closed', { interaction: mine.id, offer: mine.offer, outcome: 'answered' }, '1001')
    publish('interaction', mine)
    setMe({ state: 'talking' })
  },
  wrap_up() {
    if (mine === null || mine.state !== 'talking') scenes.talking()
    const id = mine.id
    endMine()
    setMe({ state: 'wrap_up', interaction: id, wrap_up_until: iso(-60), disposition_due: id })
  },
}
function scene(name) {
  scenes[name]()
  publishAll()
}

// --- HTTP --------------------------------------------------------------------------------------

/** A minute of two tones, 8 kHz mono, so that the player has something to play. */
function sound() {
  const seconds = 60, rate = 8000
  const body = Buffer.alloc(44 + seconds * rate * 2)
  body.write('RIFF', 0)
  body.writeUInt32LE(body.length - 8, 4)
  body.write('WAVEfmt ', 8)
  body.writeUInt32LE(16, 16)
  body.writeUInt16LE(1, 20)
  body.writeUInt16LE(1, 22)
  body.writeUInt32LE(rate, 24)
  body.writeUInt32LE(rate * 2, 28)
  body.writeUInt16LE(2, 32)
  body.writeUInt16LE(16, 34)
  body.write('data', 36)
  body.writeUInt32LE(body.length - 44, 40)
  for (let n = 0; n < seconds * rate; n++) {
    const tone = Math.floor(n / rate / 2) % 2 ? 440 : 620
    body.writeInt16LE(Math.round(3000 * Math.sin((2 * Math.PI * tone * n) / rate)), 44 + n * 2)
  }
  return body
}
const SOUND = sound()

const sessions = new Map()
let failures = 0
const json = (response, status, body, headers = {}) => {
  response.writeHead(status, { 'Content-Type': 'application/json', ...headers })
  response.end(body === undefined ? undefined : JSON.stringify(body))
}
const problem = (response, status, code, headers = {}, errors = []) =>
  json(response, status, { type: 'about:blank', title: code, status, code, detail: code, ...(errors.length ? { errors } : {}) }, {
    'Content-Type': 'application/problem+json', ...headers,
  })
const base = customerBase({ records, publish })
const find = router(
  base.routes,
  desk({ customers: base.customers, records, publish }),
  system({ publish }),
  calls({
    agents, interactions, records, publish,
    /** The conversation ends for everybody: whoever had it is free again. */
    end(view) {
      if (view === mine) return scene('wrap_up')
      const agent = agents.get(view.agent ?? '')
      end(view)
      if (agent !== undefined) publish('agent', Object.assign(agent, { state: 'idle', interaction: null, since: iso() }))
      publishAll()
    },
  }),
)

async function api(request, response, url) {
  const path = url.pathname.slice('/api/v1'.length)
  const route = `${request.method} ${path}`
  let body = {}
  if (request.method !== 'GET') {
    const chunks = []
    for await (const chunk of request) chunks.push(chunk)
    const bytes = Buffer.concat(chunks)
    const isJson = (request.headers['content-type'] ?? '').startsWith('application/json')
    body = isJson ? JSON.parse(bytes) : bytes
  }
  if (route === 'POST /login') {
    if (failures >= 4) {
      failures = 0
      return problem(response, 429, 'too_many_attempts', { 'Retry-After': '45' })
    }
    const user = USERS[body.username]
    if (user === undefined || body.password === 'wrong') {
      failures += 1
      return problem(response, 401, 'wrong_credentials')
    }
    failures = 0
    const token = Math.random().toString(36).slice(2)
    sessions.set(token, user)
    return json(response, 200, { ...user, ...mayOf(user) }, { 'Set-Cookie': `ctid_session=${token}; HttpOnly; SameSite=Strict; Path=/` })
  }
  const token = /ctid_session=(\w+)/.exec(request.headers.cookie ?? '')?.[1]
  const user = sessions.get(token)
  if (user === undefined) return problem(response, 401, 'not_logged_in')
  if (route === 'POST /logout') {
    sessions.delete(token)
    return json(response, 204)
  }
  if (route === 'GET /me') return json(response, 200, { ...user, ...mayOf(user) })
  if (route === 'GET /config/ui') return json(response, 200, CONFIG)
  if (route === 'GET /agents') return json(response, 200, page([...agents.values()]))
  if (route === 'GET /queues') return json(response, 200, page([...queues.values()]))
  if (route === 'GET /contact-records') {
    const q = url.searchParams
    const found = records.filter(
      (r) =>
        (!q.get('agent') || r.agent === q.get('agent')) &&
        (!q.get('queue') || r.queue === q.get('queue')) &&
        (!q.get('outcome') || r.outcome === q.get('outcome')) &&
        (!q.get('phone') || r.caller.number.includes(q.get('phone').replaceAll(' ', ''))) &&
        (!q.get('from') || r.arrived_at >= q.get('from')) &&
        (!q.get('to') || r.arrived_at < q.get('to')),
    )
    const at = Number(q.get('cursor') ?? 0)
    const end = at + Number(q.get('limit') ?? 50)
    return json(response, 200, { items: found.slice(at, end), next: end < found.length ? String(end) : null })
  }
  if (/^GET \/contact-records\/[^/]+$/.test(route)) {
    const record = records.find((r) => r.id === path.split('/')[2])
    return record ? json(response, 200, record) : problem(response, 404, 'not_found')
  }
  if (route === 'PUT /agents/me/status') {
    if (body.phone) ME.phone = body.phone
    if (body.status === 'available') scene('idle')
    else if (body.status === 'logged_out') scene('logged_out')
    else setMe({ status: 'paused', reason: body.reason ?? '' })
    return json(response, 200, ME)
  }
  if (route === 'POST /agents/me/wrap-up') {
    if (ME.state !== 'wrap_up') return problem(response, 409, 'refused')
    if (body.action === 'finish') scene('idle')
    else {
      ME.wrap_up_until = new Date(Date.parse(ME.wrap_up_until) + body.extra_s * 1000).toISOString()
      publish('agent', ME)
    }
    return json(response, 200, ME)
  }
  if (path.startsWith('/recordings/')) {
    const range = /bytes=(\d+)-(\d*)/.exec(request.headers.range ?? '')
    const from = range ? Number(range[1]) : 0
    const to = range && range[2] ? Number(range[2]) : SOUND.length - 1
    response.writeHead(range ? 206 : 200, {
      'Content-Type': 'audio/wav', 'Accept-Ranges': 'bytes', 'Content-Length': to - from + 1,
      ...(range ? { 'Content-Range': `bytes ${from}-${to}/${SOUND.length}` } : {}),
    })
    return response.end(SOUND.subarray(from, to + 1))
  }
  if (route === 'GET /events') {
    const last = /^(\w+)-(\d+)$/.exec(request.headers['last-event-id'] ?? '')
    const resumed = last !== null && last[1] === BOOT
    response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'no-store' })
    const stream = { response, user }
    response.write(`id: ${BOOT}-${resumed ? last[2] : sequence}\nevent: hello\ndata: ${JSON.stringify({ server_time: iso(), resumed })}\n\n`)
    if (resumed) ring.filter((frame) => frame.n > Number(last[2])).forEach((frame) => send(stream, frame))
    else if (user.agent && mine !== null) response.write(`event: pop\ndata: ${JSON.stringify(popOf(mine))}\n\n`)
    streams.add(stream)
    request.on('close', () => streams.delete(stream))
    return
  }
  const answer = find(request.method, path)
  if (answer === null) {
    console.error(`nothing answers ${route}`)
    return problem(response, 501, 'not_in_the_stand_in')
  }
  const version = /^"(\d+)"$/.exec(request.headers['if-match'] ?? '')?.[1]
  try {
    const result = await answer({ body, user, q: url.searchParams, version: version === undefined ? null : Number(version) })
    return json(response, result === undefined ? 204 : 200, result)
  } catch (error) {
    if (!(error instanceof Refusal)) throw error
    return problem(response, error.status, error.code, {}, error.errors)
  }
}

function file(response, path) {
  const name = join(ROOT, normalize(path === '/' ? '/index.html' : path))
  if (!name.startsWith(ROOT) || !existsSync(name) || !statSync(name).isFile()) {
    response.writeHead(404)
    return response.end()
  }
  response.writeHead(200, { 'Content-Type': TYPES[extname(name)] ?? 'application/octet-stream', 'Content-Security-Policy': CSP })
  createReadStream(name).pipe(response)
}

const server = createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost')
  if (url.pathname.startsWith('/api/v1/')) {
    return void api(request, response, url).catch((error) => {
      console.error(error)
      problem(response, 500, 'internal')
    })
  }
  if (url.pathname.startsWith('/dev/scene/')) {
    scene(url.pathname.split('/')[3])
    return json(response, 204)
  }
  if (url.pathname === '/dev/drop') {
    for (const stream of streams) stream.response.destroy()
    return json(response, 204)
  }
  file(response, url.pathname)
})
server.listen(PORT, '127.0.0.1', () => console.log(`stand-in on http://127.0.0.1:${server.address().port}`))

setInterval(() => {
  for (const stream of streams) stream.response.write(':\n\n')
}, 15000)
