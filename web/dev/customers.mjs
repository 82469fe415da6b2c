/** The stand-in's customer base: invented people and firms, and what belongs to them. */
import { change, drop, newId, one, page, Refusal } from './routes.mjs'

const DAY = 86400
const iso = (secondsAgo = 0) => new Date(Date.now() - secondsAgo * 1000).toISOString()

const PEOPLE = [
  ['42', '林思远', 'person', '女士', ['subscriber', 'tipster'], ['老订户', '朝阳区'], true, '+8613800138000', '138 0013 8000'],
  ['43', '林建国', 'person', '', ['reader'], [], false, '+8613800138000', '138 0013 8000'],
  ['44', '北京晨星广告有限公司', 'organisation', '', ['advertiser'], ['框架协议'], true, '+861085123456', '010 8512 3456'],
  ['45', '欧阳建国', 'person', '先生', ['tipster'], ['积水'], false, '+8613911112222', '139 1111 2222'],
  ['46', '欧阳建国', 'person', '', ['reader'], [], false, '+8613911112222', '139 1111 2222'],
  ['47', '金陵家居广场', 'organisation', '', ['advertiser', 'partner'], [], false, '+862584701003', '025 8470 1003'],
  ['48', 'Emma Wilson', 'person', 'Ms', ['partner'], [], false, '+447911123456', '+44 7911 123456'],
  ['49', '吴秀英', 'person', '女士', ['subscriber'], ['投递'], false, '+8613912345602', '139 1234 5602'],
]

const whole = ([id, name, kind, title, roles, tags, vip, number, display], index) => ({
  id, name, kind, title, roles, tags, vip, blocked: false, sex: '', language: '', birthday: null,
  owner: index % 3 === 0 ? 'supervisor' : null, team: '早班', custom: {}, state: 'active', merged_into: null,
  source: index % 2 ? 'import' : 'call', version: 1, known: null, reason: null, chosen: null,
  created_at: iso((90 - index) * DAY), created_by: 'supervisor', updated_at: iso(index * DAY + 400),
  contact_points: [
    { id: `p${id}`, kind: 'phone', value: number, display, label: '', preferred: true, opt_out: false, invalid: false, source: 'call', source_at: null },
  ],
  addresses:
    kind === 'person' && index % 2
      ? []
      : [{ id: `a${id}`, label: '', province: '北京市', city: '', district: '朝阳区', street: '建国路 88 号', postcode: '100022' }],
})

/** `records`: contact records; `publish(event, data)`: the event stream. */
export function customerBase({ records, publish }) {
  const customers = PEOPLE.map(whole)
  const relations = [{ id: '1', kind: 'works_for', one: '42', other: '44', note: '广告部', since_at: iso(400 * DAY) }]
  const notes = [
    note('42', 'supervisor', '长期订户，投递问题优先处理。', 3 * DAY, true),
    note('42', 'agent', '请@supervisor 明天回电，谈续订优惠。', 1400, false, ['supervisor']),
  ]
  const facts = [
    { id: '1', customer: '42', name: '职业', value: '教师', source: '来电', at: iso(20 * DAY) },
    { id: '2', customer: '42', name: '订阅', value: '晨报，2027 年 6 月到期', source: '发行系统', at: iso(9 * DAY) },
  ]
  const files = [
    { id: '1', customer: '42', name: '积水照片.txt', media_type: 'text/plain', bytes: 1_480_000, author: 'agent', at: iso(5 * DAY) },
  ]
  const consents = [
    { id: '2', customer: '42', channel: 'sms', purpose: 'marketing', state: 'withdrawn', source: '电话中表示', proof: '', actor: 'agent', at: iso(2 * DAY) },
    { id: '1', customer: '42', channel: 'any', purpose: 'marketing', state: 'granted', source: '订阅表', proof: '编号 1182', actor: 'supervisor', at: iso(30 * DAY) },
  ]
  const watching = new Map([['42', ['supervisor']]])
  const read = new Map()
  const pairs = [{ id: '1', score: 96, reasons: ['same_phone', 'same_name'], one: '45', other: '46' }]
  const merges = []

  function note(customer, author, text, age, pinned = false, mentions = []) {
    return { id: newId(), customer, author, text, pinned, at: iso(age), version: 1, mentions }
  }
  const ofAuthor = (user, item) => ({
    ...item,
    may: user.role === 'viewer' ? [] : user.role === 'agent' && item.author !== user.username ? [] : ['update', 'delete'],
  })
  const mentionsOf = (user) =>
    notes
      .filter((item) => item.mentions.includes(user.username))
      .map((item) => ({
        id: `m${item.id}`,
        at: item.at,
        read_at: read.get(`${user.username} ${item.id}`) ?? null,
        customer_name: one(customers, item.customer).name,
        note: ofAuthor(user, item),
      }))

  function timeline(customer, type) {
    const entries = [
      ...records.filter((r) => r.customer === customer).map((r) => ({ type: 'contact_record', id: r.id, at: r.arrived_at, record: r })),
      ...notes.filter((n) => n.customer === customer).map((n) => ({ type: 'note', id: n.id, at: n.at, author: n.author, text: n.text })),
      ...facts.filter((f) => f.customer === customer).map((f) => ({ type: 'fact', id: f.id, at: f.at, name: f.name, value: f.value })),
      ...consents
        .filter((c) => c.customer === customer)
        .map((c) => ({ type: 'consent', id: c.id, at: c.at, state: c.state, actor: c.actor, channel: c.channel, purpose: c.purpose })),
      { type: 'change', id: '1', at: one(customers, customer).created_at, action: 'create', actor: 'supervisor', fields: [] },
    ]
    return entries.filter((entry) => type === null || entry.type === type).sort((a, b) => (a.at < b.at ? 1 : -1))
  }

  const fits = (customer, q) => {
    const words = q.get('q') ?? ''
    const phone = (q.get('phone') ?? '').replace(/\D/g, '')
    return (
      (words === '' || JSON.stringify([customer.name, customer.contact_points, customer.tags]).includes(words)) &&
      (phone === '' || customer.contact_points.some((point) => point.value.includes(phone))) &&
      (!q.get('kind') || customer.kind === q.get('kind')) &&
      (!q.get('role') || customer.roles.includes(q.get('role'))) &&
      (!q.get('vip') || customer.vip)
    )
  }

  return {
    customers,
    routes: {
      'GET /customers': ({ q }) => {
        const found = customers.filter((customer) => fits(customer, q))
        return page(q.get('phone') ? found.map((one, index) => ({ ...one, known: true, reason: 'number', chosen: index === 0 })) : found)
      },
      'POST /customers': ({ body }) => {
        if (!body.name && !(body.contact_points ?? []).length) {
          throw new Refusal(422, 'invalid', [{ field: 'body.name', code: 'name_or_contact', detail: 'give a name or a contact' }])
        }
        const made = { ...whole([newId(), '', 'person', '', [], [], false, '', ''], 1), ...body, created_at: iso(), updated_at: iso() }
        made.contact_points = (body.contact_points ?? []).map((point) => ({ id: newId(), display: null, ...point }))
        customers.unshift(made)
        return made
      },
      'GET /customers/:id': ({ params }) => one(customers, params.id),
      'PATCH /customers/:id': ({ params, body, version }) =>
        change(one(customers, params.id), { ...body, updated_at: iso() }, version),
      'POST /customers/:id/numbers': ({ params }) => ({ customer: one(customers, params.id), relinked: 1 }),
      'GET /customers/:id/timeline': ({ params, q }) => page(timeline(params.id, q.get('type'))),
      'GET /customers/:id/personal-data': ({ params }) => ({ customer: one(customers, params.id), timeline: timeline(params.id, null) }),
      'POST /customers/:id/erase': ({ params, body }) => {
        if (body.name !== one(customers, params.id).name.trim()) {
          throw new Refusal(422, 'invalid', [{ field: 'body.name', code: 'mismatch', detail: "is not this customer's name" }])
        }
        drop(customers, params.id)
        return { pseudonym: `erased-${params.id}` }
      },

      'GET /customers/:id/notes': ({ params, user }) =>
        page(
          notes
            .filter((item) => item.customer === params.id)
            .sort((a, b) => Number(b.pinned) - Number(a.pinned) || (a.at < b.at ? 1 : -1))
            .map((item) => ofAuthor(user, item)),
        ),
      'POST /customers/:id/notes': ({ params, body, user }) => {
        const mentions = [...body.text.matchAll(/@(agent|supervisor|admin)/g)].map((found) => found[1])
        const made = note(params.id, user.username, body.text, 0, false, mentions)
        notes.push(made)
        publish('mention', { note: made.id, customer: made.customer })
        return ofAuthor(user, made)
      },
      'PATCH /notes/:id': ({ params, body, version, user }) => ofAuthor(user, change(one(notes, params.id), body, version)),
      'DELETE /notes/:id': ({ params }) => drop(notes, params.id),
      'GET /colleagues': () =>
        page([
          { username: 'agent', name: '李晓雯' },
          { username: 'supervisor', name: '赵敏' },
          { username: 'admin', name: 'Admin' },
        ]),
      'GET /customers/:id/watching': ({ params }) => page(watching.get(params.id) ?? []),
      'PUT /customers/:id/watching': ({ params, body, user }) => {
        const others = (watching.get(params.id) ?? []).filter((name) => name !== user.username)
        watching.set(params.id, body.watching ? [...others, user.username] : others)
        return page(watching.get(params.id))
      },
      'GET /mentions': ({ user, q }) => page(mentionsOf(user).filter((item) => q.get('all') === 'true' || item.read_at === null)),
      'POST /mentions/:id/read': ({ params, user }) => void read.set(`${user.username} ${params.id.slice(1)}`, iso()),

      'GET /customers/:id/relations': ({ params }) =>
        page(
          relations
            .filter((item) => [item.one, item.other].includes(params.id))
            .map((item) => {
              const other = one(customers, item.one === params.id ? item.other : item.one)
              return { ...item, direction: item.one === params.id ? 'to' : 'from', customer: other.id, name: other.name }
            }),
        ),
      'POST /customers/:id/relations': ({ params, body }) => {
        relations.push({ id: newId(), one: params.id, ...body })
        return page([])
      },
      'DELETE /customers/:id/relations/:relation': ({ params }) => drop(relations, params.relation),
      'GET /customers/:id/facts': ({ params }) => page(facts.filter((item) => item.customer === params.id)),
      'POST /customers/:id/facts': ({ params, body }) => {
        const before = facts.find((item) => item.customer === params.id && item.name === body.name)
        if (before !== undefined) return Object.assign(before, body, { at: iso() })
        facts.push({ id: newId(), customer: params.id, at: iso(), ...body })
        return facts.at(-1)
      },
      'DELETE /customers/:id/facts/:fact': ({ params }) => drop(facts, params.fact),
      'GET /customers/:id/attachments': ({ params }) => page(files.filter((item) => item.customer === params.id)),
      'POST /customers/:id/attachments': ({ params, body, q, user }) => {
        const made = { id: newId(), customer: params.id, name: q.get('name'), media_type: 'text/plain', bytes: body.length, author: user.username, at: iso() }
        files.push(made)
        return made
      },
      'GET /customers/:id/attachments/:file': ({ params }) => ({ invented: one(files, params.file).name }),
      'DELETE /customers/:id/attachments/:file': ({ params }) => drop(files, params.file),
      'GET /customers/:id/consents': ({ params }) => page(consents.filter((item) => item.customer === params.id)),
      'POST /customers/:id/consents': ({ params, body, user }) => {
        const { granted, ...rest } = body
        consents.unshift({ id: newId(), customer: params.id, state: granted ? 'granted' : 'withdrawn', actor: user.username, at: iso(), ...rest })
        return consents[0]
      },

      'GET /duplicates': () =>
        page(pairs.map((pair) => ({ ...pair, one: one(customers, pair.one), other: one(customers, pair.other) }))),
      'POST /duplicates/scan': () => ({ found: pairs.length }),
      'POST /duplicates/:id/dismiss': ({ params }) => drop(pairs, params.id),
      'POST /customers/:id/merge': ({ params, body }) => {
        const survivor = one(customers, params.id)
        const gone = one(customers, body.gone)
        const merged = {
          id: newId(), survivor: survivor.id, survivor_name: survivor.name, gone: gone.id, gone_name: gone.name,
          actor: 'supervisor', at: iso(), undone_at: null, undoable: true,
        }
        merges.unshift({ ...merged, kept: gone })
        drop(customers, gone.id)
        pairs.length = 0
        return { merge: merged.id, customer: survivor }
      },
      'GET /merges': () => page(merges.map(({ kept: _, ...shown }) => shown)),
      'POST /merges/:id/undo': ({ params }) => {
        const merged = one(merges, params.id)
        customers.push(merged.kept)
        pairs.push({ id: newId(), score: 96, reasons: ['same_phone', 'same_name'], one: merged.survivor, other: merged.gone })
        Object.assign(merged, { undone_at: iso(), undoable: false })
      },
    },
  }
}
