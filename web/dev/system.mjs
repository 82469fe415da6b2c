/** The stand-in's system pages: users, rights, the audit trail, dictionaries, webhooks, the configuration. */
import { change, drop, newId, one, page, Refusal } from './routes.mjs'

const iso = (secondsAgo = 0) => new Date(Date.now() - secondsAgo * 1000).toISOString()
const HOUR = 3600

const ROLES = ['agent', 'supervisor', 'admin', 'viewer']
const ACTIONS = ['read', 'create', 'update', 'delete', 'export', 'merge', 'import', 'erase']
const ENTITIES = [
  'customer', 'contact_record', 'recording', 'callback', 'task', 'note', 'consent', 'dictionary', 'view', 'user',
  'webhook', 'audit', 'permission', 'store',
]
const MASKABLE = ['phone', 'email', 'address', 'birthday', 'notes']
const EVENTS = [
  'customer.created', 'customer.updated', 'customer.merged', 'customer.erased', 'contact_record.filed',
  'contact_record.updated', 'callback.opened', 'callback.closed', 'task.created', 'task.updated',
]
/** What a role may do at all; nothing: what is not said. */
const GIVEN = {
  agent: {
    customer: 'read create update', contact_record: 'read update', recording: 'read', callback: 'read update',
    task: 'read create update', note: 'read create update delete', consent: 'read create', dictionary: 'read',
    view: 'read create update delete',
  },
  supervisor: {
    customer: 'read create update export merge import', contact_record: 'read update export', recording: 'read',
    callback: 'read update export', task: 'read create update delete', note: 'read create update delete',
    consent: 'read create', dictionary: 'read create update', view: 'read create update delete', user: 'read',
  },
  admin: Object.fromEntries(ENTITIES.map((entity) => [entity, ACTIONS.join(' ')])),
  viewer: { customer: 'read', contact_record: 'read', dictionary: 'read' },
}
const DICTIONARY = {
  pause_reason: [['lunch', '用餐', 'Lunch'], ['break', '休息', 'Short break'], ['training', '培训', 'Training'], ['meeting', '会议', 'Meeting']],
  disposition: [
    ['tip', '新闻线索', 'News tip'], ['delivery', '投递问题', 'Delivery problem'], ['renewal', '续订', 'Subscription renewal'],
    ['complaint', '投诉', 'Complaint'], ['advert', '广告咨询', 'Advertising enquiry'], ['other', '其他', 'Other'],
  ],
  customer_role: [
    ['reader', '读者', 'Reader'], ['tipster', '报料人', 'Tipster'], ['subscriber', '订户', 'Subscriber'],
    ['advertiser', '广告主', 'Advertiser'], ['partner', '合作单位', 'Partner'],
  ],
  relation: [['works_for', '任职于', 'Works for'], ['household', '同住', 'Same household'], ['agency_of', '代理', 'Agency of']],
  tag: [['vip_reader', '重点读者', 'Key reader']],
  custom_field: [['edition', '版面', 'Edition']],
}
const QUEUES_TEXT = `default_queue = "hotline"

[queues.hotline]
name = "新闻热线"
ring_timeout_s = 20
wrap_up_s = 60

[queues.subscriptions]
name = "订阅与投递"
ring_timeout_s = 30
`

const rights = Object.fromEntries(
  ROLES.map((role) => [
    role,
    Object.fromEntries(
      ENTITIES.map((entity) => {
        const may = (GIVEN[role][entity] ?? '').split(' ')
        return [entity, Object.fromEntries(ACTIONS.map((action) => [action, may.includes(action) ? 'all' : 'none']))]
      }),
    ),
  ]),
)
const masks = { agent: [], supervisor: [], admin: [], viewer: [...MASKABLE] }

/** What `/me` says of a user besides who it is. */
export const mayOf = ({ role }) => ({
  rights: Object.fromEntries(
    ENTITIES.map((entity) => [entity, ACTIONS.filter((action) => rights[role][entity][action] !== 'none')]),
  ),
  masks: masks[role],
})

/** `publish(event, data)`: the event stream. */
export function system({ publish }) {
  const users = [
    ['agent', '李晓雯', 'agent', '1001', ['早班']],
    ['supervisor', '赵敏', 'supervisor', null, ['早班', '晚班']],
    ['admin', 'Admin', 'admin', null, []],
    ['viewer', '值班编辑', 'viewer', null, ['早班']],
    ['chenjing', '陈静', 'agent', '1003', ['早班']],
  ].map(([username, name, role, agent, teams], index) => ({
    id: String(index + 1), username, name, role, agent, teams, language: '', disabled: index === 4,
    created_at: iso((60 - index) * 24 * HOUR), version: 1,
  }))
  const tokens = [{ id: '1', of: 'admin', name: '报表', created_at: iso(400 * HOUR), expires_at: null, revoked_at: null }]
  const dictionaries = Object.fromEntries(
    Object.entries(DICTIONARY).map(([kind, entries]) => [
      kind,
      entries.map(([code, label_zh, label_en], index) => ({
        kind, code, label_zh, label_en, position: index + 1, active: true,
        extra: kind === 'custom_field' ? { type: 'choice', choices: ['早报', '晚报'], personal: false } : {},
      })),
    ]),
  )
  const hooks = [
    { id: '1', url: 'http://127.0.0.1:8200/ctid', events: ['customer.created', 'task.created'], active: true, created_by: 'admin', created_at: iso(200 * HOUR), version: 1 },
  ]
  const delivery = (hook, event, state, age) => ({
    id: newId(), hook, event, state, attempts: state === 'pending' ? 0 : 1, next_at: iso(age - 10),
    last_status: state === 'delivered' ? 204 : state === 'failed' ? 500 : null,
    last_error: state === 'failed' ? 'HTTP 500' : '', created_at: iso(age), delivered_at: state === 'delivered' ? iso(age) : null,
  })
  const deliveries = [
    delivery('1', 'task.created', 'delivered', 600),
    delivery('1', 'customer.created', 'failed', 4000),
    delivery('1', 'customer.created', 'delivered', 9000),
  ]
  const trail = [
    ['admin', 'set_right', 'permission', 'agent/customer/export', { scope: 'none' }, { scope: 'team' }],
    ['supervisor', 'update', 'customer', '42', { title: '' }, { title: '女士' }],
    ['agent', 'refused', 'user', '', null, { method: 'POST', path: '/users' }],
    ['supervisor', 'supervise', 'interaction', 'mock-3', null, { mode: 'monitor', outcome: 'done' }],
    ['admin', 'create_token', 'user', 'admin', null, { name: '报表' }],
    ['agent', 'create', 'note', '5001', null, { text: '请@supervisor 明天回电。' }],
  ].map(([actor, action, entity, entity_id, before, after], index) => ({
    id: String(100 - index), at: iso(index * 2300 + 60), actor, source: '127.0.0.1', action, entity, entity_id, before, after,
  }))
  const versions = [{ version: 'v1', saved_at: iso(300 * HOUR), by: 'admin', text: QUEUES_TEXT }]

  const matrix = () => ({ roles: ROLES, entities: ENTITIES, actions: ACTIONS, scopes: ['none', 'own', 'team', 'all'], maskable: MASKABLE, rights, masks })
  const checked = (text) => {
    const findings = text.split('\n').flatMap((line, index) =>
      /^\s*(\[[\w.]+\]|\w+ = .+)?\s*$/.test(line)
        ? []
        : [{ line: index + 1, key: '', message: 'this line is no TOML', hint: '', warning: false }],
    )
    return { version: findings.length === 0 ? 'checked' : null, findings }
  }
  const weak = (password) => {
    if (password.length >= 12) return
    throw new Refusal(422, 'invalid', [
      { field: 'body.password', code: 'length', detail: 'must have 12 to 1024 characters', params: { min: 12, max: 1024 } },
    ])
  }

  return {
    'GET /users': () => page(users),
    'POST /users': ({ body: { password, ...fields } }) => {
      weak(password)
      if (users.some((user) => user.username === fields.username)) throw new Refusal(409, 'conflict')
      users.push({ id: newId(), agent: null, teams: [], language: '', disabled: false, created_at: iso(), version: 1, ...fields })
      return users.at(-1)
    },
    'PATCH /users/:name': ({ params, body, version }) => change(one(users, params.name, 'username'), body, version),
    'PUT /users/:name/password': ({ body }) => weak(body.password),
    'GET /users/:name/tokens': ({ params }) => page(tokens.filter((token) => token.of === params.name)),
    'POST /users/:name/tokens': ({ params, body }) => {
      tokens.push({ id: newId(), of: params.name, created_at: iso(), revoked_at: null, ...body })
      return { id: tokens.at(-1).id, token: 'invented-token-of-the-stand-in' }
    },
    'DELETE /users/:name/tokens/:id': ({ params }) => void (one(tokens, params.id).revoked_at = iso()),

    'GET /permissions': matrix,
    'PUT /permissions/:role/:entity/:action': ({ params: { role, entity, action }, body }) => {
      rights[role][entity][action] = body.scope
      return matrix()
    },
    'PUT /masks/:role/:field': ({ params: { role, field }, body }) => {
      masks[role] = body.masked ? [...new Set([...masks[role], field])] : masks[role].filter((other) => other !== field)
      return matrix()
    },
    'GET /audit': ({ q }) =>
      page(
        trail.filter(
          (entry) =>
            (q.get('refused') !== 'true' || entry.action === 'refused') &&
            ['entity', 'entity_id', 'action'].every((name) => !q.get(name) || entry[name] === q.get(name)) &&
            (!q.get('username') || entry.actor === q.get('username')),
        ),
      ),

    'GET /dictionaries': ({ q }) => page(dictionaries[q.get('kind')]),
    'PUT /dictionaries/:kind/:code': ({ params: { kind, code }, body }) => {
      if (!/^[a-z][a-z0-9_-]*$/.test(code)) {
        throw new Refusal(422, 'invalid', [{ field: 'code', code: 'code', detail: 'must be a code' }])
      }
      const list = dictionaries[kind]
      let entry = list.find((other) => other.code === code)
      if (entry === undefined) list.push((entry = { kind, code, position: list.length + 1, active: true, extra: {} }))
      Object.assign(entry, body)
      list.sort((a, b) => a.position - b.position)
      publish('dictionary', { kind })
      return entry
    },

    'GET /webhooks': () => ({ ...page(hooks), events: EVENTS }),
    'POST /webhooks': ({ body, user }) => {
      if (/@/.test(body.url)) throw new Refusal(422, 'invalid', [{ field: 'url', code: 'url', detail: 'must be an address' }])
      hooks.push({ id: newId(), active: true, created_by: user.username, created_at: iso(), version: 1, ...body })
      return { ...hooks.at(-1), secret: 'invented-secret-of-the-stand-in-0001' }
    },
    'PATCH /webhooks/:id': ({ params, body, version }) => change(one(hooks, params.id), body, version),
    'POST /webhooks/:id/secret': ({ params, version }) => ({
      ...change(one(hooks, params.id), {}, version),
      secret: `invented-secret-of-the-stand-in-${newId()}`,
    }),
    'POST /webhooks/:id/test': ({ params }) => {
      deliveries.unshift(delivery(params.id, 'webhook.test', 'delivered', 0))
      publish('webhook', { webhook: params.id })
      return deliveries[0]
    },
    'DELETE /webhooks/:id': ({ params }) => drop(hooks, params.id),
    'GET /webhooks/:id/deliveries': ({ params, q }) =>
      page(deliveries.filter((one) => one.hook === params.id && (!q.get('state') || one.state === q.get('state')))),
    'POST /webhooks/:id/deliveries/:delivery/retry': ({ params }) =>
      Object.assign(one(deliveries, params.delivery), { state: 'delivered', last_status: 204, last_error: '', delivered_at: iso() }),

    'GET /config/queues': () => ({ text: versions[0].text, version: versions[0].version }),
    'POST /config/queues/check': ({ body }) => checked(body.text),
    'PUT /config/queues': ({ body, user }) => {
      if (checked(body.text).version === null) throw new Refusal(422, 'invalid')
      if (body.expected !== versions[0].version) throw new Refusal(409, 'conflict')
      versions.unshift({ version: `v${versions.length + 1}`, saved_at: iso(), by: user.username, text: body.text })
      return { version: versions[0].version, findings: [] }
    },
    'GET /config/queues/versions': () => page(versions.map(({ text: _, ...shown }) => shown)),
    'GET /config/queues/versions/:version': ({ params }) => one(versions, params.version, 'version'),
  }
}
