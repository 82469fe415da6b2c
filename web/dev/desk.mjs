/** The stand-in's lists of work: tasks, callbacks, kept views, imports and exports. */
import { change, drop, newId, one, page, Refusal } from './routes.mjs'

const iso = (secondsAgo = 0) => new Date(Date.now() - secondsAgo * 1000).toISOString()
const HOUR = 3600

const IMPORT_FIELDS = [
  'name', 'kind', 'title', 'sex', 'birthday', 'language', 'owner', 'team', 'vip', 'source', 'tags', 'roles', 'phone',
  'email', 'wechat', 'qq', 'weibo', 'province', 'city', 'district', 'street', 'postcode',
]
const HEADERS = { 姓名: 'name', 名称: 'name', 手机: 'phone', 电话: 'phone', 邮箱: 'email', 地址: 'street' }

/** `records`: contact records; `publish(event, data)`: the event stream. */
export function desk({ customers, records, publish }) {
  const tasks = [
    ['寄样报', '42', 'agent', -5 * HOUR],
    ['回复读者来信', '49', 'agent', 3 * HOUR],
    ['核对广告合同', '44', 'supervisor', -48 * HOUR],
    ['更新投递路线', null, 'supervisor', null],
  ].map(([title, customer, owner, due], index) => ({
    id: String(index + 1), title, text: '', customer, owner, team: '早班', state: index === 3 ? 'done' : 'open',
    due_at: due === null ? null : iso(due), remind_at: null, version: 1,
  }))
  const callbacks = [
    ['+8613800138000', '138 0013 8000', '42', '林思远', 3, 'open', null],
    ['+8613912345602', '139 1234 5602', '49', '吴秀英', 1, 'open', 'agent'],
    ['+8618612345678', '186 1234 5678', null, '', 2, 'open', null],
    ['+861085123456', '010 8512 3456', '44', '北京晨星广告有限公司', 1, 'done', 'agent'],
  ].map(([number, display, customer, customer_name, missed, state, owner], index) => ({
    id: String(index + 1), number, display, customer, customer_name, queue: ['hotline', 'subscriptions'][index % 2],
    missed, first_at: iso((index + 2) * HOUR), last_at: iso((index + 1) * 900), owner, attempts: 0,
    state: owner !== null && state === 'open' ? 'taken' : state, result: state === 'done' ? 'reached' : '', note: '',
    due_at: null, version: 1,
  }))
  const views = [
    { id: '1', owner: 'supervisor', name: '单位客户', entity: 'customer', filter: { kind: 'organisation' }, shared: true },
    { id: '2', owner: 'supervisor', name: '未接来电', entity: 'contact_record', filter: { outcome: 'abandoned' }, shared: true },
  ]
  const runs = [
    { id: '1', file_name: '订户 2026.csv', state: 'done', total: 1480, created: 1402, updated: 61, skipped: 12, refused: 5, actor: 'supervisor', at: iso(90 * HOUR) },
  ]
  const uploads = []

  function preview(bytes) {
    const rows = bytes.toString('utf8').split(/\r?\n/).filter(Boolean).map((line) => line.split(','))
    const columns = rows.shift() ?? []
    return {
      kind: 'csv', encoding: 'utf-8', columns, mapping: columns.map((name) => HEADERS[name] ?? ''), rows: rows.slice(0, 20),
      total: rows.length, problems: [],
    }
  }

  return {
    'GET /tasks': ({ q, user }) =>
      page(
        tasks.filter(
          (task) =>
            task.state === (q.get('state') || 'open') && (q.get('owner') !== 'me' || task.owner === user.username),
        ),
      ),
    'GET /tasks/:id': ({ params }) => one(tasks, params.id),
    'POST /tasks': ({ body, user }) => {
      const made = {
        id: newId(), text: '', customer: null, owner: user.username, team: '早班', due_at: null, remind_at: null,
        state: 'open', version: 1, ...body,
      }
      tasks.unshift(made)
      return made
    },
    'PATCH /tasks/:id': ({ params, body, version }) => change(one(tasks, params.id), body, version),

    'GET /callbacks': ({ q, user }) =>
      page(
        callbacks.filter(
          (entry) =>
            (entry.state === 'done') === (q.get('state') === 'done') &&
            (q.get('owner') !== 'me' || entry.owner === user.username),
        ),
      ),
    'POST /callbacks/:id/take': ({ params, version, user }) =>
      change(one(callbacks, params.id), { state: 'taken', owner: user.username }, version),
    'POST /callbacks/:id/result': ({ params, body, version }) => {
      const entry = one(callbacks, params.id)
      return change(entry, { state: 'done', result: body.result, note: body.note ?? '', attempts: entry.attempts + 1 }, version)
    },

    'GET /views': ({ q, user }) =>
      page(views.filter((view) => view.entity === q.get('entity') && (view.shared || view.owner === user.username))),
    'POST /views': ({ body, user }) => {
      views.push({ id: newId(), owner: user.username, ...body })
      return views.at(-1)
    },
    'DELETE /views/:id': ({ params }) => drop(views, params.id),

    'GET /imports/fields': () => page(IMPORT_FIELDS),
    'GET /imports/uploads': () => page(uploads),
    'POST /imports/uploads': ({ q, body }) => {
      if (body.length === 0) {
        throw new Refusal(422, 'invalid', [{ field: 'file', code: 'invalid', detail: 'is empty' }])
      }
      const made = { id: newId(), file_name: q.get('name'), state: 'ready', problem: '', preview: preview(body), import: null, progress: null }
      uploads.push(made)
      return made
    },
    'GET /imports/uploads/:id': ({ params }) => one(uploads, params.id),
    'DELETE /imports/uploads/:id': ({ params }) => drop(uploads, params.id),
    'POST /imports/uploads/:id/run': ({ params, user }) => {
      const file = one(uploads, params.id)
      const total = file.preview.total
      const counts = { total, created: total, updated: 0, skipped: 0, refused: 0 }
      Object.assign(file, { state: 'running', progress: { stage: 'applying', done: 0, ...counts, created: 0 } })
      const begun = { ...file }
      setTimeout(() => {
        const run = { id: newId(), file_name: file.file_name, state: 'done', actor: user.username, at: iso(), ...counts }
        runs.unshift(run)
        Object.assign(file, { state: 'done', import: run.id, progress: { stage: 'done', done: total, ...counts } })
        publish('import', file)
      }, 800)
      return begun
    },
    'GET /imports': () => page(runs),
    'POST /imports/:id/undo': ({ params }) => {
      const run = one(runs, params.id)
      run.state = 'undone'
      return { removed: run.created, restored: run.updated, kept: 0 }
    },
    'GET /imports/:id/errors': () => ({ invented: 'no lines were refused' }),

    'GET /exports/customers': () => ({ customers }),
    'GET /exports/contact-records': () => ({ records }),
  }
}
